/** Sinkhorn divergence between p(x_t | y) and q(x_t | y) for each covariance, on one random curve. */
import { hostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { manifoldPoints } from "../../src/data/manifold.ts";
import {
  drawNoisy,
  type IsotropicMixture,
  logLikelihood,
  logNormal,
  projector,
  resample,
} from "../../src/diffusion/isotropic-mixture.ts";
import { divergenceOf, sinkhorn } from "../../src/metrics/sinkhorn.ts";
import { combinedVariance, covarianceOf } from "./prior-covariance.ts";
import { type CovariancesRecipe, NOISE, THICKNESS } from "./recipes.ts";

/** What stands for V[x | x_t], in the order of the results. */
export const COVARIANCES = ["zero (DPS)", "Σt", "(Σx⁻¹ + Σt⁻¹)⁻¹", "V[x | xt]"] as const;

/** A curve and a measurement of one of its points. */
export interface Problem {
  readonly mixture: IsotropicMixture;
  readonly a: Float64Array;
  readonly y: number;
}

/** y = a' x + noise for x the first point of a random curve, a uniform on the unit sphere. */
export function drawProblem(components: number, dimensions: number, rng: Rng): Problem {
  const means = manifoldPoints({ count: components, dimensions, rng }).data;
  const stream = rng.split("measurement");
  const direction = Float64Array.from({ length: dimensions }, () => stream.normal());
  const a = direction.map((value) => value / Math.hypot(...direction));
  const clean = a.reduce((sum, value, d) => sum + value * (means[d]! + THICKNESS * stream.normal()), 0);
  return { mixture: { means, dimensions, variance: THICKNESS ** 2 }, a, y: clean + NOISE * stream.normal() };
}

/** ln p(y | x_t), then ln q(y | x_t) for each covariance, at points x_t [n, N]. */
export function logWeights({ mixture, a, y }: Problem, sigma: number, x_t: Float64Array): Float64Array[] {
  const N = mixture.dimensions;
  const n = x_t.length / N;
  const project = projector(mixture, a, sigma);
  const combined = combinedVariance(covarianceOf(mixture), a, sigma);
  const weights = Array.from({ length: 1 + COVARIANCES.length }, () => new Float64Array(n));
  for (let i = 0; i < n; i++) {
    const projection = project(x_t.subarray(i * N, (i + 1) * N));
    weights[0]![i] = logLikelihood(projection, y, NOISE ** 2);
    [0, sigma ** 2, combined, projection.variance].forEach((variance, k) => {
      weights[k + 1]![i] = logNormal(y, projection.mean, NOISE ** 2 + variance);
    });
  }
  return weights;
}

/** The divergence for each of COVARIANCES. */
export async function divergences(
  problem: Problem,
  sigma: number,
  recipe: CovariancesRecipe,
  rng: Rng,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const N = problem.mixture.dimensions;
  const x_t = drawNoisy(problem.mixture, sigma, recipe.proposals, rng.split("proposals"));
  const weights = logWeights(problem, sigma, x_t);
  const draw = (k: number, name: string) => {
    const chosen = resample(weights[k]!, recipe.samples, rng.split("resample", name));
    const data = new Float64Array(recipe.samples * N);
    chosen.forEach((from, to) => {
      data.set(x_t.subarray(from * N, (from + 1) * N), to * N);
    });
    return hostArray("float64", [recipe.samples, N], data);
  };
  const options = { maxIterations: recipe.iterations, signal };
  const [u1, u2] = [draw(0, "first"), draw(0, "second")];
  const same = (await sinkhorn(u1, u2, options)).cost;
  const found: number[] = [];
  for (const [k, name] of COVARIANCES.entries())
    found.push(divergenceOf((await sinkhorn(u1, draw(k + 1, name), options)).cost, same));
  return found;
}
