import { lineChart } from "../../src/report/chart.ts";
import { figure, html, page, section, table } from "../../src/report/html.ts";
import type { Curve, PosteriorsFigures } from "./main.ts";
import { FEATURES, MEASUREMENTS, NOISE } from "./problem.ts";
import type { PosteriorsRecipe } from "./recipes.ts";

const DIVERGENCE = { title: "Sinkhorn divergence", log: true } as const;

/** The experiment's report. */
export function posteriorsPage(figures: PosteriorsFigures, recipe: PosteriorsRecipe, seed: number): string {
  const { methods, twisted, levels } = figures;
  return page("Posterior methods against the exact posterior", [
    html`<h1>Posterior methods against the exact posterior</h1>
<p>The prior is a mixture of Gaussians in ${FEATURES} dimensions, each wide in three directions and thin in the others; its denoiser and
Jacobian are exact. ${recipe.observations} random operators with ${MEASUREMENTS} rows each see a draw with noise of deviation ${NOISE}. Sinkhorn
divergences are between ${recipe.samples} draws of a method and of the exact posterior, less that between two exact sets, so values near
zero are noise; medians over the operators. Seed ${seed}.</p>`,
    section("Draws of x", part(methods, "sampler steps", "Ancestral sampling with each method.")),
    section(
      "Twisted sampling",
      part([twisted], "particles", `With ${recipe.steps.at(-1)!} steps; one particle is MMPS.`),
    ),
    section(
      "Posteriors of x_t",
      part(
        levels,
        "noise level",
        "Exact p(x_t | y) against the same with N(y | A x_hat, Sigma_y + A V A') in place of the likelihood, for each V, without a sampler's errors.",
      ),
    ),
  ]);
}

function part(curves: readonly Curve[], axis: string, caption: string) {
  const series = curves.map(({ name, points }) => ({
    name,
    points: points.map(({ at, divergence }) => [at, divergence] as const),
  }));
  const head = [axis, ...curves[0]!.points.map(({ at }) => String(at))];
  const rows = curves.map(({ name, points }) => [
    name,
    ...points.map(({ divergence }) => divergence.toPrecision(3)),
  ]);
  return [
    figure(lineChart({ x: { title: axis, log: true }, y: DIVERGENCE, series }), caption),
    table(head, rows),
  ];
}
