/** The battery's table: a row for each cell, over its seeds. */
import { formatNumber } from "../../src/report/format.ts";
import type { Calibration } from "./calibration.ts";
import type { CellResult } from "./cell.ts";
import type { Cell } from "./cells.ts";
import type { Squared } from "./distance.ts";
import type { Noise } from "./measurements.ts";
import type { Measured } from "./operators.ts";
import { type Figure, meanOf } from "./statistics.ts";
import { cellOf, type TaskResult } from "./task.ts";
import { TRUTHS } from "./truths.ts";
import { unmet } from "./verdict.ts";

export const TABLE_HEADS = [
  "cell",
  "measured",
  "noise",
  "observations",
  "start",
  "end",
  "clean",
  "coverage",
  "spread",
  "error",
  "ranks",
  "exact prior: distance",
  "coverage",
  "spread",
  "error",
  "ranks",
  "not met",
] as const;

/** Cells of the table as text, in the order of the results. */
export function tableRows(results: readonly TaskResult[]): string[][] {
  const names = [...new Set(results.map(({ cell }) => cell))];
  return names.map((name) => {
    const own = results.filter(({ cell }) => cell === name);
    return rowOf(cellOf(name), own);
  });
}

/** The table in Markdown. */
export function markdownTable(results: readonly TaskResult[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(TABLE_HEADS),
    line(TABLE_HEADS.map(() => "---")),
    ...tableRows(results).map((row) => line(row)),
  ].join("\n");
}

function rowOf(cell: Cell, all: readonly TaskResult[]): string[] {
  const results = all.filter((result): result is CellResult => !("failure" in result));
  const head = [cell.name, measuredText(cell.measured), noiseText(cell.noise), String(cell.count)];
  const failures = all.length - results.length;
  const failed = failures > 0 ? [`not finite${ofSeeds(failures, all.length)}`] : [];
  if (results.length === 0) return [...head, ...TABLE_HEADS.slice(5).map(() => ""), failed.join("")];
  const distance = (pick: (result: CellResult) => Squared) => distanceText(results.map(pick));
  return [
    ...head,
    distance(({ prior }) => prior.start),
    distance(({ prior }) => prior.end),
    distance(({ prior }) => prior.clean),
    ...calibrationTexts(results.map(({ posterior }) => posterior)),
    distance(({ exactPrior }) => exactPrior.distance),
    ...calibrationTexts(results.map(({ exactPrior }) => exactPrior)),
    [...failed, ...unmetTexts(cell, results)].join(", "),
  ];
}

function calibrationTexts(all: readonly Calibration[]): string[] {
  return [
    figureText(all.map(({ coverage }) => coverage)),
    figureText(all.map(({ spread }) => spread)),
    figureText(all.map(({ error }) => error)),
    // The least of so many probabilities, as if each had been the only one.
    Math.min(1, all.length * Math.min(...all.map(({ ranks }) => ranks))).toPrecision(1),
  ];
}

function unmetTexts(cell: Cell, results: readonly CellResult[]): string[] {
  const counts = new Map<string, number>();
  for (const result of results)
    for (const text of unmet(result, TRUTHS[cell.truth])) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, count]) => `${text}${ofSeeds(count, results.length)}`);
}

const ofSeeds = (count: number, all: number) => (all > 1 ? ` (${count} of ${all})` : "");

/** Mean over the seeds and its error: D of the mean D^2, or its limit where D^2 is not above two errors. */
function distanceText(all: readonly Squared[]): string {
  const squared = meanOf(all.map((one) => one.squared));
  const error = Math.hypot(...all.map((one) => one.error)) / all.length;
  if (squared < 2 * error) return `< ${Math.sqrt(Math.max(squared, 0) + 2 * error).toFixed(2)}`;
  return withError(Math.sqrt(squared), error / (2 * Math.sqrt(squared)));
}

function figureText(all: readonly Figure[]): string {
  const error = Math.hypot(...all.map(([, own]) => own)) / all.length;
  return withError(meanOf(all.map(([value]) => value)), error);
}

/** A value to the first digit of its error, and that. */
function withError(value: number, error: number): string {
  const digits = Math.min(3, Math.max(2, -Math.floor(Math.log10(error))));
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}

function measuredText(measured: Measured): string {
  switch (measured.kind) {
    case "mask":
      return measured.share === 1 ? "all entries" : `${percent(measured.share)} of the entries`;
    case "projections":
      return `${measured.count} ${measured.isShared ? "shared " : ""}projection${measured.count === 1 ? "" : "s"}`;
    case "blur":
      return "3 x 3 blurs";
    case "pool":
      return "2 x 2 means, moved";
    case "fourier":
      return `${percent(measured.share)} of k-space's columns`;
  }
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

function noiseText({ kind, share }: Noise): string {
  const kinds = { uniform: "", "per-entry": ", differs", correlated: ", correlated" } as const;
  return `${formatNumber(share)}${kinds[kind]}`;
}
