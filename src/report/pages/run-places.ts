import { resolve, sep } from "node:path";
import type { RunData } from "../read-run.ts";

/**
 * Names of runs' folders as far as they differ, with that of the run itself at least: a report goes to people whom the rest
 * of the machine does not concern.
 */
export function runPlaces(runs: readonly RunData[]): (folder: string) => string {
  const partsOf = (folder: string) => resolve(folder).split(sep);
  const [first = [], ...others] = runs.map(({ folder }) => partsOf(folder));
  const isCommon = (k: number) => others.every((parts) => k < parts.length - 1 && parts[k] === first[k]);
  let common = 0;
  while (common < first.length - 1 && isCommon(common)) common++;
  return (folder) => partsOf(folder).slice(common).join("/");
}
