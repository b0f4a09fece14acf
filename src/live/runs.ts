import { readdir, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { exists } from "../report/fields.ts";

/** Runs by their place below the folder that is watched; "" is that folder itself. */
export type Runs = ReadonlyMap<string, string>;

/**
 * The run in a folder, or the runs in a folder of runs; none if there are none yet. Links do not count: what is not in the folder is
 * not shown.
 */
export async function findRuns(folder: string): Promise<Runs> {
  if (await isRun(folder)) return new Map([["", folder]]);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const found = await Promise.all(names.map((name) => isRun(join(folder, name))));
  const runs = names.filter((_, k) => found[k]).sort();
  return new Map(runs.map((name) => [name, join(folder, name)]));
}

const isRun = (folder: string) => exists(join(folder, "run.json"));

/** Pages that commands write into a run's folder. */
export const PAGES: readonly string[] = ["report.html", "check.html"];

/** The path of a page of a run; undefined where there is none, or a link to something else. */
export async function pagePath(run: string, name: string): Promise<string | undefined> {
  try {
    const path = join(await realpath(run), basename(name));
    return (await realpath(path)) === path ? path : undefined;
  } catch {
    return undefined;
  }
}
