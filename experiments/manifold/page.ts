/** The report of the manifold experiment. */

import { type HostArray, rows } from "../../src/core/array.ts";
import { lineChart } from "../../src/report/charts/chart.ts";
import { ITERATION_AXIS } from "../../src/report/charts/curves.ts";
import { cornerPlot, cornerRanges } from "../../src/report/charts/scatter.ts";
import { formatNumber } from "../../src/report/format.ts";
import { figure, html, page, section, table } from "../../src/report/html.ts";
import type { Evaluated } from "./evaluate.ts";
import type { ManifoldRecipe } from "./recipes.ts";

/** @param points the truth, [N, 5] */
export function manifoldPage(
  iterations: readonly Evaluated[],
  points: HostArray<"float32">,
  { pairs, evaluation }: ManifoldRecipe,
): string {
  const truth = rows(points, 0, evaluation.samples);
  const ranges = cornerRanges([truth]).map(([lo, hi]) => [lo - 0.3, hi + 0.3] as const);
  const chart = lineChart({
    x: ITERATION_AXIS,
    y: { title: "Sinkhorn divergence", log: true },
    series: [{ name: "prior samples", points: iterations.map((f) => [f.iteration, f.sinkhorn] as const) }],
  });
  const shown = shownIterations(iterations.length - 1);
  const corners = shown.map((k) =>
    figure(
      cornerPlot(iterations[k]!.samples, { truth, ranges }),
      `${k === 0 ? "The Gaussian start" : `Iteration ${k}`}: divergence ${formatNumber(iterations[k]!.sinkhorn)}`,
    ),
  );
  const seconds = iterations.reduce((sum, f) => sum + f.seconds, 0);
  return page(
    "Points on a curve",
    html`<h1>A curve in five dimensions, learned from two projections of each point</h1>
<p class="lead">${pairs} observations y = A x + noise: the prior learns where x lies, though nobody ever saw an x.</p>
<p class="soft">${iterations.length - 1} EM iterations, ${formatNumber(seconds)} seconds in E-steps and M-steps.</p>
${section("Distance from the truth", figure(chart, `Sinkhorn divergence of ${evaluation.samples} samples a side; lower is better. Values below 1e-6 count as 1e-6.`))}
${section(
  "Prior samples over the iterations",
  html`<p class="soft">Below the diagonal prior samples, above it the truth; on it the densities of both.</p>`,
  html`<div class="charts">${corners}</div>`,
)}
${section(
  "Figures",
  table(
    ["iteration", "Sinkhorn divergence of prior samples"],
    iterations.map((f) => [f.iteration, formatNumber(f.sinkhorn)]),
  ),
)}`,
  );
}

/** The start and iterations 1, 2, 4, 8, ..., and the last. */
function shownIterations(last: number): number[] {
  const powers = Array.from({ length: Math.ceil(Math.log2(last + 1)) }, (_, k) => 2 ** k);
  return [...new Set([0, ...powers.filter((k) => k < last), last])];
}
