/** The report of the comparison of covariances. */

import { Rng } from "../../src/core/random.ts";
import { lineChart } from "../../src/report/charts/chart.ts";
import { formatNumber } from "../../src/report/format.ts";
import { figure, html, page, section, table } from "../../src/report/html.ts";
import { illustration } from "./illustration.ts";
import type { Level } from "./main.ts";
import type { CovariancesRecipe } from "./recipes.ts";

export function covariancesPage(
  results: readonly { readonly covariance: string; readonly levels: readonly Level[] }[],
  recipe: CovariancesRecipe,
  seed: number,
): string {
  const chart = lineChart({
    x: { title: "noise level σt", log: true },
    y: { title: "Sinkhorn divergence", log: true },
    series: results.map(({ covariance, levels }) => ({
      name: covariance,
      points: levels.map(({ sigma, p50 }) => [sigma, p50] as const),
      band: levels.map(({ sigma, p25, p75 }) => [sigma, p25, p75] as const),
    })),
  });
  const rows = recipe.sigmas.map((sigma, s) => [
    formatNumber(sigma),
    ...results.map(({ levels }) => formatNumber(levels[s]!.p50)),
  ]);
  return page(
    "Covariances",
    html`<h1>Which covariance gives the right posterior</h1>
<p class="lead">Sinkhorn divergence between p(x<sub>t</sub> | y) and q(x<sub>t</sub> | y), for four stand-ins for V[x | x<sub>t</sub>].</p>
<p class="soft">${recipe.manifolds} random curves in three dimensions, one projection each, ${recipe.samples} samples of each posterior, at most ${recipe.iterations} Sinkhorn iterations, seed ${seed}.</p>
${section("Divergence against noise", figure(chart, "Median over the curves, and the interval from the 25th to the 75th percentile; lower is better. Differences of costs below 1e-6 count as 1e-6."))}
${section(
  "In the plane",
  html`<p class="soft">Blue: draws of x<sub>t</sub> at σt = 0.5. Black: the curve that the prior lies on. Dashed: the points x with A x = y. Purple: three draws, and the 95 % region of q(x | x<sub>t</sub>) for each.</p>`,
  illustration(new Rng(seed)),
)}
${section("Medians", table(["σt", ...results.map(({ covariance }) => covariance)], rows))}`,
  );
}
