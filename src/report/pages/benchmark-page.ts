/** The page of a posterior benchmark: a table and pictures for each task. */
import type { HostArray } from "../../core/array.ts";
import type { BenchmarkTask } from "../../em/evaluation/benchmark-tasks.ts";
import { type BenchmarkCell, cellName, type Refusal } from "../../em/evaluation/posterior-benchmark.ts";
import { formatNumber } from "../format.ts";
import { type Content, figure, html, page, section, table } from "../html.ts";
import { type Strip, sideBySide } from "../pictures.ts";
import type { Range } from "../png.ts";
import { BENCHMARK_HEAD, benchmarkRow } from "./benchmark-table.ts";

/** What was measured on one task. */
export interface BenchmarkPart {
  readonly task: BenchmarkTask;
  readonly cells: readonly BenchmarkCell[];
  readonly refusals: readonly Refusal[];
  /** [n, C, h, w], and where entries are hidden the mask; absent if the task was refused. */
  readonly observed?: { readonly y: HostArray<"float32">; readonly mask?: HostArray<"float32"> | undefined };
  /** Draws of a cell, [n, C, H, W]; absent after a failure. */
  readonly draws: (cell: BenchmarkCell) => HostArray<"float32"> | undefined;
}

/** A benchmark as it stands, finished or not. */
export interface Benchmark {
  readonly title: string;
  /** What was compared on what, in a sentence. */
  readonly lead: string;
  readonly truth: HostArray<"float32">;
  /** Values drawn black and white. */
  readonly range: Range;
  readonly parts: readonly BenchmarkPart[];
  readonly notes: readonly string[];
}

/** The page as HTML. */
export function benchmarkPage(benchmark: Benchmark): string {
  const { title, lead, parts, notes } = benchmark;
  return page(title, [
    html`<header><h1>${title}</h1>\n<p class="lead">${lead}</p></header>\n`,
    parts.map((part) => section(part.task.title, taskSection(part, benchmark))),
    section("How to read it", html`<ul>${[...NOTES, ...notes].map((note) => html`<li>${note}</li>\n`)}</ul>`),
  ]);
}

const NOTES = [
  "PSNR and SSIM compare one draw with the image, both limited to the data's range; a posterior mean would score higher. SSIM needs 11 × 11 pixels.",
  "Chi-square is the mean of (y - A x)² / variance over measured entries, of the draws as they are. Near 1, draws agree with the data to the noise; below, they follow the noise; above, they miss the data.",
  "Evaluations of the network and vector-Jacobian products with it are for one draw; those of tds for all particles of one image.",
  "Time is that of one sampler step of one image, compilation apart. T sampler steps take T + 1: the last one goes to zero noise.",
  "Peak memory is the largest resident memory of the whole process while the method drew, sampled every 20 ms; added is what exceeds the memory before the method was compiled. Memory that earlier methods freed may be counted in both, so only large differences mean something. A GPU's own memory is not in it.",
];

function taskSection(part: BenchmarkPart, benchmark: Benchmark): Content {
  const { task, cells } = part;
  const counts = [...new Set(cells.map(({ steps }) => steps))];
  return [
    html`<p>${task.description}; noise of standard deviation ${formatNumber(task.noise)}.</p>\n`,
    cells.length > 0 && figure(table(BENCHMARK_HEAD, cells.map(benchmarkRow)), missing(part)),
    cells.length === 0 && missing(part),
    counts.map((steps) => pictures(steps, part, benchmark)),
  ];
}

/** Why there are no figures, where there are none. */
function missing({ cells, refusals }: BenchmarkPart): Content {
  return [
    refusals.map(
      ({ method, reason }) => html`<p><b>Refused${method ? `, ${method}` : ""}:</b> ${reason}</p>\n`,
    ),
    cells.map(
      (cell) => cell.failure && html`<p class="alert">Failed, ${cellName(cell)}: ${cell.failure}</p>\n`,
    ),
  ];
}

function pictures(steps: number, part: BenchmarkPart, { truth, range }: Benchmark): Content {
  const { observed, draws } = part;
  if (!observed) return null;
  // Of cells that differ in the solver's steps only, the one with the most.
  const shown = new Map<string, BenchmarkCell>();
  for (const cell of part.cells.filter((one) => one.steps === steps && one.figures)) {
    const known = shown.get(cell.method)?.solverSteps ?? 0;
    if ((cell.solverSteps ?? 0) >= known) shown.set(cell.method, cell);
  }
  const strips: Strip[] = [
    { label: "truth", images: truth, range },
    { label: "observation", images: observed.y, range, mask: observed.mask },
    ...[...shown.values()].flatMap((cell) => {
      const images = draws(cell);
      return images ? [{ label: cell.method, images, range }] : [];
    }),
  ];
  if (strips.length === 2) return null;
  return figure(
    sideBySide(strips),
    `${formatNumber(steps)} sampler steps; with several numbers of solver steps, the largest. Hidden pixels are blue.`,
  );
}
