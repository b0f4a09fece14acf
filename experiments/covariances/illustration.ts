/** Figure 1: draws of x_t from each posterior in the plane, and the ellipses that the covariances stand for. */
import { EigenvalueDecomposition, inverse, Matrix } from "ml-matrix";
import type { Rng } from "../../src/core/random.ts";
import { drawNoisy, projector, resample } from "../../src/diffusion/isotropic-mixture.ts";
import { figure, html, type Markup, trusted } from "../../src/report/html.ts";
import { COVARIANCES, drawProblem, logWeights, type Problem } from "./compare.ts";
import { covarianceOf } from "./prior-covariance.ts";

const SIGMA = 0.5;
const COMPONENTS = 256;
const PROPOSALS = 2 ** 13;
const DRAWS = 600;
const ELLIPSES = 3;
/** Side of a panel in pixels; it shows [-3.5, 3.5] in both directions. */
const SIZE = 250;
const REACH = 3.5;
/** Square root of the 95 % quantile of chi-squared with two degrees of freedom. */
const RADIUS_95 = 2.4477;

const round = (value: number) => value.toFixed(1);
const px = (x: number) => round(((x + REACH) / (2 * REACH)) * SIZE);
const py = (y: number) => round(((REACH - y) / (2 * REACH)) * SIZE);

/** One panel for each covariance, then the truth. */
export function illustration(rng: Rng): Markup {
  const problem = drawProblem(COMPONENTS, 2, rng.split("illustration"));
  const x_t = drawNoisy(problem.mixture, SIGMA, PROPOSALS, rng.split("illustration", "proposals"));
  const [exact, ...others] = logWeights(problem, SIGMA, x_t);
  const panels = [...others, exact!].map((weights, k) => {
    const chosen = Array.from(resample(weights, DRAWS, rng.split("illustration", "draws", k)));
    const points = chosen.map((i): [number, number] => [x_t[2 * i]!, x_t[2 * i + 1]!]);
    const name = COVARIANCES[k];
    const content = `<svg viewBox="0 0 ${SIZE} ${SIZE}" width="${SIZE}" role="img" aria-label="${name ?? "truth"}">${panel(problem, points, k)}</svg>`;
    return figure(trusted(content), name ?? "truth: p(xt | y)");
  });
  return html`<div class="corners">${panels}</div>`;
}

function panel(problem: Problem, points: readonly [number, number][], k: number): string {
  const { means } = problem.mixture;
  const dots = (list: readonly (readonly [number, number])[]) =>
    list.map(([x, y]) => `M${px(x)} ${py(y)}h0`).join("");
  const curve = Array.from(
    { length: means.length / 2 },
    (_, i) => [means[2 * i]!, means[2 * i + 1]!] as const,
  );
  const truth = k >= COVARIANCES.length;
  const ellipses = truth ? [] : points.slice(0, ELLIPSES).map((point) => ellipse(problem, point, k));
  return `<clipPath id="panel-${k}"><rect width="${SIZE}" height="${SIZE}"/></clipPath><g clip-path="url(#panel-${k})">
${line(problem)}<path d="${dots(points)}" stroke="var(--series-0)" stroke-width="3" stroke-linecap="round" opacity=".4"/>
<path d="${dots(curve)}" stroke="var(--ink)" stroke-width="2.2" stroke-linecap="round"/>
${ellipses.join("")}</g><rect width="${SIZE}" height="${SIZE}" fill="none" stroke="var(--rule)"/>`;
}

/** The line a' x = y. */
function line({ a, y }: Problem): string {
  const [u, v] = [a[0]!, a[1]!];
  const end = (t: number) => `${px(u * y - v * t)} ${py(v * y + u * t)}`;
  return `<path d="M${end(-9)}L${end(9)}" stroke="var(--series-1)" stroke-width="1.5" stroke-dasharray="5 4"/>`;
}

/** The 95 % region of q(x | x_t), and a line from x_t to its centre. */
function ellipse(problem: Problem, [x, y]: readonly [number, number], k: number): string {
  const { mean, covariance } = momentsGiven(problem, [x, y]);
  const stand = standIn(problem, covariance, k);
  const { realEigenvalues: values, eigenvectorMatrix: axes } = new EigenvalueDecomposition(stand);
  const scale = (RADIUS_95 * SIZE) / (2 * REACH);
  const [rx, ry] = values.map((value) => round(Math.max(scale * Math.sqrt(Math.max(value, 0)), 1.5)));
  const angle = round((-180 / Math.PI) * Math.atan2(axes.get(1, 0), axes.get(0, 0)));
  const [cx, cy] = [px(mean[0]), py(mean[1])];
  return `<path d="M${px(x)} ${py(y)}L${cx} ${cy}" stroke="var(--series-3)" stroke-width="1"/><circle cx="${px(x)}" cy="${py(y)}" r="3" fill="var(--series-3)"/><ellipse rx="${rx}" ry="${ry}" transform="translate(${cx} ${cy}) rotate(${angle})" fill="var(--series-3)" fill-opacity=".14" stroke="var(--series-3)" stroke-width="1.5"/>`;
}

/** E[x | x_t] and V[x | x_t] in the plane, from three projections. */
function momentsGiven({ mixture }: Problem, x_t: readonly [number, number]) {
  const along = (u: number, v: number) =>
    projector(mixture, Float64Array.of(u, v), SIGMA)(Float64Array.from(x_t));
  const [first, second, both] = [along(1, 0), along(0, 1), along(1, 1)];
  const shared = (both.variance - first.variance - second.variance) / 2;
  const covariance = new Matrix([
    [first.variance, shared],
    [shared, second.variance],
  ]);
  return { mean: [first.mean, second.mean] as const, covariance };
}

/** The matrix that takes the place of V[x | x_t], by its number in COVARIANCES. */
function standIn({ mixture }: Problem, exact: Matrix, k: number): Matrix {
  const noise = Matrix.eye(2).mul(SIGMA ** 2);
  const combined = inverse(inverse(covarianceOf(mixture)).add(inverse(noise)));
  return [Matrix.zeros(2, 2), noise, combined, exact][k]!;
}
