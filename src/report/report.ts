/** The report of one run or of several: one HTML file that needs nothing else. A run that is training rewrites it. */

import { ConfigError } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import { type Content, page } from "./html.ts";
import { comparisonReport, comparisonTitle } from "./pages/comparison-page.ts";
import { runReport } from "./pages/run-page.ts";
import { type RunData, readRun } from "./read-run.ts";

/**
 * Writes the report of one run or of several. Whoever reads the file never sees half a report.
 * @param runFolders one folder for the report of a run, several for a comparison
 * @param outPath the HTML file
 * @throws DataError if a folder is no run, a file in it is damaged, or the report cannot be written
 */
export async function writeReport(runFolders: readonly string[], outPath: string): Promise<void> {
  const runs: RunData[] = [];
  for (const folder of runFolders) runs.push(await readRun(folder));
  await writeFileAtomic(outPath, renderReport(runs));
}

/** The report as HTML text. @throws ConfigError if there is no run */
export function renderReport(runs: readonly RunData[]): string {
  const title = runs.length === 1 ? runs[0]!.name : comparisonTitle(runs);
  return page(title, reportBody(runs));
}

/** What the page of one run, or of several, shows. @throws ConfigError if there is no run */
export function reportBody(runs: readonly RunData[]): Content {
  const [first, ...others] = runs;
  if (first === undefined)
    throw new ConfigError("report: expected one run or more, got none. Name a run folder.");
  return others.length === 0 ? runReport(first) : comparisonReport(runs);
}
