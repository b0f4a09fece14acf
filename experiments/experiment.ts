import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import type { Outcome } from "../src/cli/arguments.ts";
import type { Session } from "../src/cli/session.ts";
import { writeFileAtomic } from "../src/core/files.ts";

/** What an experiment is started with. */
export interface Setting {
  readonly experiment: string;
  readonly recipe: string;
  readonly out: string;
  readonly seed: number;
  /** Files that the experiment learns from, where it needs some. */
  readonly data: readonly string[];
  readonly session: Session;
}

/** Runs an experiment of the recipe in the setting and writes results.json and report.html. */
export type Run = (setting: Setting) => Promise<Outcome>;

/** Writes DIR/results.json: how it came about, then the figures; and DIR/report.html. */
export async function writeResults(
  { experiment, recipe, out, seed }: Setting,
  seconds: number,
  figures: Readonly<Record<string, unknown>>,
  page: string,
): Promise<Outcome> {
  const provenance = {
    experiment,
    recipe,
    seed,
    command: `npm run experiment -- ${experiment} --recipe ${recipe} --seed ${seed} --out DIR`,
    commit: commit(),
    machine: `${cpus()[0]?.model ?? "unknown processor"}, ${availableParallelism()} cores, Node ${process.version}`,
    seconds: Math.round(seconds),
  };
  await mkdir(out, { recursive: true });
  await writeFileAtomic(join(out, "report.html"), page);
  const results = { ...provenance, ...figures };
  await writeFileAtomic(join(out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  return { text: `Open ${join(out, "report.html")}`, figures: results };
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "unknown";
  }
}
