import { formatNumber } from "../../src/report/format.ts";
import { figure, html, page, section, table } from "../../src/report/html.ts";
import { type Groups, groupWays, waysChart } from "./chart.ts";
import type { EvaluationsFigures, WayFigures } from "./main.ts";
import type { EvaluationsRecipe } from "./recipes.ts";

/** The experiment's report. */
export function evaluationsPage({ ways, runs }: EvaluationsFigures, recipe: EvaluationsRecipe): string {
  const groups = groupWays(ways);
  return page("Fewer network evaluations", [
    html`<h1>Fewer network evaluations for the same quality</h1>
<p class="lead">How close posterior draws come to clean digits, against the evaluations of the network that a draw takes.</p>
<p class="soft">The demo's problem: digits of which 75 % of the pixels are missing. An evaluation is one forward pass of the network or one
vector-Jacobian product. Plain is the paper's E-step: ancestral sampling from pure noise on geometric levels, conjugate gradients of one
step at each. Frechet distances to 10 000 clean test digits in 64 features of a small classifier, ${recipe.draws} draws; smaller is better.</p>`,
    section(
      "Ways to draw with one prior",
      figure(waysChart(groups), caption(groups)),
      figure(
        table(
          ["way", "forward", "products", "evaluations", "Frechet distance", "residual"],
          ways.map((way) => [
            way.name,
            way.forwards,
            way.products,
            way.total,
            way.distance.toFixed(1),
            formatNumber(Number(way.residual.toPrecision(3))),
          ]),
        ),
        html`Residual: root mean square of (y - A x) over the noise's deviation at observed pixels; exact draws give about 1.
A restart takes up draws of the iteration before, of the same observations, whose evaluations are not counted.`,
      ),
    ),
    runs.length > 0 &&
      section(
        "EM",
        figure(
          table(
            [
              "E-step",
              "evaluations of a draw",
              "of all E-steps",
              "prior",
              "posterior, plain draws",
              "posterior, own draws",
            ],
            runs.map((run) => [
              run.name,
              run.perDraw,
              formatNumber(run.evaluations),
              run.prior.toFixed(1),
              run.posterior.toFixed(1),
              run.ownPosterior.toFixed(1),
            ]),
          ),
          html`Frechet distances at the end of two EM runs from the same start and seed that differ in the E-step alone: plain with T = ${recipe.plainSteps}, or
the demo's. ${recipe.priorSamples} prior samples by ancestral sampling with ${recipe.priorSteps} steps for both; of ${recipe.draws} observations, draws by
the plain method and by the run's own.`,
        ),
      ),
  ]);
}

/** What the line is, and the ways that a reader looks for: the best of the others, and those that are not in the picture. */
function caption({ others, offScale }: Groups): string {
  const distance = (way: WayFigures) => `${way.name} (${way.distance.toFixed(1)})`;
  const [best] = others.toSorted((a, b) => a.distance - b.distance);
  const sentences = ["The line is the plain method with more and more steps T."];
  if (best) sentences.push(`Closest to clean digits of the other ways: ${distance(best)}.`);
  if (offScale.length > 0) sentences.push(`Above the picture: ${offScale.map(distance).join("; ")}.`);
  return sentences.join(" ");
}
