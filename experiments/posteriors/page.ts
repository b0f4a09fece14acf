import { lineChart } from "../../src/report/charts/chart.ts";
import { formatNumber } from "../../src/report/format.ts";
import { figure, html, type Markup, page, section, table } from "../../src/report/html.ts";
import { LEAST } from "./divergence.ts";
import type { Curve, Point, PosteriorsFigures } from "./main.ts";
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
${short(resolution)} from zero (median of the absolute value): smaller divergences of draws of x are noise. Seed ${seed}.</p>`,
    section(
      "Draws of x",
      html`<p class="soft">At middle noise levels x given x<sub>t</sub> has several modes, and a method that puts one Gaussian in their place may
give the posterior's modes wrong weights, or put draws improbably far out along a component's wide axes, however many steps it takes:
more steps follow the approximation more faithfully. The same sampler with the exact E[x | x<sub>t</sub>, y] comes to 0.23, 0.08 and 0.08 with 8, 32 and
128 steps (measured apart, with seed 0), and twisted sampling below corrects the steps of mmps by weights.</p>`,
      part(
        methods,
        "sampler steps",
        methods.every(allFinite)
          ? "Ancestral sampling with each method."
          : "Ancestral sampling with each method. Methods with draws that are not finite are in the table alone.",
        resolution,
      ),
    ),
    section(
      "Twisted sampling",
      part(
        [twisted],
        "particles",
        `With ${steps} steps. One particle takes the steps of mmps with Tweedie's covariance, its systems solved directly; more correct it by their weights.`,
        resolution,
      ),
    ),
    section(
      "Posteriors of x_t",
      part(
        levels,
        "noise level",
        html`Exact p(x<sub>t</sub> | y) against the same with N(y | A x_hat, Sigma_y + A V A') in place of the likelihood, for each V, without a
sampler's errors. All draws use the same random numbers, so equal distributions are at zero, shown as 1e-6.`,
        LEAST,
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
    .map(({ at, divergence }, k) => {
      const own = tweedie[k]!.divergence;
      if (divergence <= LEAST) return `both nil at ${at}`;
      return own <= LEAST
        ? `Tweedie's nil at ${at}`
        : `${Number((divergence / own).toPrecision(2))} at ${at}`;
    })
    .join(", ");
}

/** A chart and a table. @param floor smaller divergences are noise, and shown as no more than it */
function part(curves: readonly Curve[], axis: string, caption: string | Markup, floor: number) {
  const series = curves.filter(allFinite).map(({ name, points }) => ({
    name,
    points: points.map(({ at, divergence }) => [at, Math.max(divergence, floor)] as const),
  }));
  const head = [axis, ...curves[0]!.points.map(({ at }) => String(at))];
  const cell = ({ divergence }: Point) => {
    if (!Number.isFinite(divergence)) return "not finite";
    return divergence <= floor ? `below ${short(floor)}` : short(divergence);
  };
  const rows = curves.map(({ name, points }) => [name, ...points.map(cell)]);
  return [
    figure(lineChart({ x: { title: axis, log: true }, y: DIVERGENCE, series }), caption),
    table(head, rows),
  ];
}

const allFinite = ({ points }: Curve) => points.every(({ divergence }) => Number.isFinite(divergence));
const short = (value: number) => formatNumber(Number(value.toPrecision(3)));
