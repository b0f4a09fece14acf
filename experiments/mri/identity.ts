import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConfigError } from "../../src/core/errors.ts";
import { writeFileAtomic } from "../../src/core/files.ts";
import type { MriRecipe } from "./recipes.ts";

/** What decides the observations and the run in a folder. */
export interface Identity {
  readonly recipe: MriRecipe;
  readonly seed: number;
  readonly files: readonly string[];
  readonly changes?: object | undefined;
}

const NAME = "experiment.json";

/**
 * Writes down what a folder belongs to, or compares: a run is continued only by what began it. How it is evaluated does
 * not count, so that a learned prior can be evaluated in other ways.
 * @throws ConfigError naming what differs
 */
export async function claimFolder(
  out: string,
  { recipe, seed, files, changes = {} }: Identity,
): Promise<void> {
  const { evaluation: _, config, ...data } = recipe;
  const own = {
    recipe: { ...data, config: config(1000) },
    seed,
    files: files.map((path) => ({
      name: basename(path),
      bytes: existsSync(path) ? statSync(path).size : 0,
    })),
    changes,
  };
  const path = join(out, NAME);
  if (existsSync(path)) {
    const found = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    const differs = Object.entries(own).filter(
      ([key, value]) => JSON.stringify(found[key]) !== JSON.stringify(value),
    );
    if (differs.length > 0)
      throw new ConfigError(
        `${out}: expected the ${differs.map(([key]) => key).join(" and ")} that the run there began with, got others. Choose another --out, or remove the folder.`,
      );
    return;
  }
  if (existsSync(join(out, "observations")) || existsSync(join(out, "run")))
    throw new ConfigError(
      `${out}: expected no run there, found one of unknown settings (no ${NAME}). Choose another --out, or remove the folder.`,
    );
  await writeFileAtomic(path, `${JSON.stringify(own, null, 2)}\n`);
}
