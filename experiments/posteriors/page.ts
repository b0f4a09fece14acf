import { lineChart } from "../../src/report/chart.ts";
import { formatNumber } from "../../src/report/format.ts";
import { figure, html, type Markup, page, section, table } from "../../src/report/html.ts";
import type { Curve, PosteriorsFigures } from "./main.ts";
import { COMPONENTS, FEATURES, MEASUREMENTS, NOISE, WIDE_AXES } from "./problem.ts";
import type { PosteriorsRecipe } from "./recipes.ts";

const DIVERGENCE = { title: "Sinkhorn divergence", log: true } as const;

/** The experiment's report. */
export function posteriorsPage(figures: PosteriorsFigures, recipe: PosteriorsRecipe, seed: number): string {
  const { methods, twisted, levels, resolution } = figures;
  const steps = recipe.steps.at(-1)!;
  return page("Posterior methods against the exact posterior", [
    html`<h1>Posterior methods against the exact posterior</h1>
<p class="lead">How far the draws of each method are from exact ones, where the posterior is known in closed form.</p>
<p class="soft">The prior is a mixture of ${COMPONENTS} Gaussians in ${FEATURES} dimensions, each wide in ${WIDE_AXES} directions and thin in the others; its
denoiser and Jacobian are exact. ${recipe.observations} random operators with ${MEASUREMENTS} rows each see a draw with noise of deviation
${NOISE}; many components can explain what they see, so the posteriors have many modes. Sinkhorn divergences from two sets of
${recipe.samples} draws of the method and two of the exact posterior, medians over the operators. Further exact draws of x come out at
${formatNumber(resolution)} from zero (median of the absolute value): smaller divergences of draws of x are noise. Seed ${seed}.</p>`,
    section(
      "Draws of x",
      part(methods, "sampler steps", "Ancestral sampling with each method, against the number of its steps."),
    ),
    section(
      "Twisted sampling",
      part(
        [twisted],
        "particles",
        `With ${steps} steps, against the number of particles; one particle is MMPS.`,
      ),
    ),
    section(
      "Posteriors of x_t",
      part(
        levels,
        "noise level",
        html`Exact p(x<sub>t</sub> | y) against the same with N(y | A x_hat, Sigma_y + A V A') in place of the likelihood, for each V, without a
sampler's errors. All draws use the same random numbers, so equal distributions are at zero, shown as 1e-6.`,
      ),
      html`<p class="soft">Divergence with Sigma_t over that with Tweedie's covariance: ${ratios(levels)}.</p>`,
    ),
  ]);
}

/** How much closer Tweedie's covariance is, level by level. */
function ratios(levels: readonly Curve[]): string {
  const points = (name: string) => levels.find((curve) => curve.name === name)!.points;
  const tweedie = points("tweedie");
  return points("sigma-t")
    .map(({ at, divergence }, k) => `${formatNumber(divergence / tweedie[k]!.divergence)} at ${at}`)
    .join(", ");
}

function part(curves: readonly Curve[], axis: string, caption: string | Markup) {
  const series = curves.map(({ name, points }) => ({
    name,
    points: points
      .filter(({ divergence }) => Number.isFinite(divergence))
      .map(({ at, divergence }) => [at, divergence] as const),
  }));
  const head = [axis, ...curves[0]!.points.map(({ at }) => String(at))];
  const rows = curves.map(({ name, points }) => [
    name,
    ...points.map(({ divergence }) =>
      Number.isFinite(divergence) ? formatNumber(divergence) : "not finite",
    ),
  ]);
  return [
    figure(lineChart({ x: { title: axis, log: true }, y: DIVERGENCE, series }), caption),
    table(head, rows),
  ];
}
