/** The table of a posterior benchmark, as cells of text for the page and for the terminal. */
import type { BenchmarkCell } from "../em/posterior-benchmark.ts";
import { formatNumber } from "./format.ts";

/** Heads of the columns. */
export const BENCHMARK_HEAD = [
  "method",
  "solver steps",
  "sampler steps",
  "PSNR (dB)",
  "SSIM",
  "chi-square",
  "evaluations",
  "products",
  "ms / step",
  "peak memory (MB)",
  "added (MB)",
] as const;

/** One row; a cell without figures has failed. */
export function benchmarkRow(cell: BenchmarkCell): string[] {
  const { method, solverSteps, steps, evaluations, products, figures } = cell;
  const fixed = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? "-";
  return [
    method,
    formatNumber(solverSteps),
    formatNumber(steps),
    figures ? fixed(figures.psnr, 2) : "failed",
    fixed(figures?.ssim, 3),
    significant(figures?.chiSquare),
    formatNumber(evaluations),
    formatNumber(products),
    significant(figures && 1000 * figures.secondsPerStep),
    fixed(figures && figures.peakMemory / 1e6, 0),
    fixed(figures && figures.addedMemory / 1e6, 0),
  ];
}

/** Three digits with their zeros, so that columns align. */
function significant(value: number | undefined): string {
  if (value === undefined || !(value >= 1e-3 && value < 1000)) return formatNumber(value);
  return value.toPrecision(3);
}

/** The rows of a task, by sampler steps as they come, with columns aligned. */
export function benchmarkText(cells: readonly BenchmarkCell[]): string {
  const rows = [[...BENCHMARK_HEAD], ...cells.map(benchmarkRow)];
  const widths = BENCHMARK_HEAD.map((_, k) => Math.max(...rows.map((row) => row[k]!.length)));
  return rows
    .map((row) =>
      row.map((text, k) => (k === 0 ? text.padEnd(widths[k]!) : text.padStart(widths[k]!))).join("  "),
    )
    .join("\n");
}
