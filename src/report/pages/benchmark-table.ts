/** The table of a posterior benchmark, as cells of text for the page and for the terminal. */
import type { BenchmarkCell } from "../../em/evaluation/posterior-benchmark.ts";
import { formatFixed, formatNumber } from "../format.ts";

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
  return [
    method,
    formatNumber(solverSteps),
    formatNumber(steps),
    figures ? formatFixed(figures.psnr, 2) : "failed",
    formatFixed(figures?.ssim, 3),
    significant(figures?.chiSquare),
    formatNumber(evaluations),
    formatNumber(products),
    significant(figures && 1000 * figures.secondsPerStep),
    formatFixed(figures && figures.peakMemory / 1e6, 0),
    formatFixed(figures && figures.addedMemory / 1e6, 0),
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
