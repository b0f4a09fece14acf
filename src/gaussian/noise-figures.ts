import type { Rng } from "../core/random.ts";
import { sumsOf } from "./dense.ts";
import { lanczosQuadrature } from "./eigen.ts";
import type { LinearBatch } from "./linear-observations.ts";
import { noiseDiagonal, type Step, solveNoise } from "./noise-system.ts";
import { signsOf } from "./signs.ts";

/** Of E = diag(Sigma_y) + D A A': ln det E and tr A' E^-1 A of each observation, [n]. */
export interface NoiseFigures {
  readonly logDeterminants: Float64Array;
  readonly traces: Float64Array;
}

/**
 * Sums where A A' is diagonal, else by stochastic Lanczos quadrature [Ubaru17] from one probe P^1/2 z of signs z, P the
 * diagonal of E: the steps of conjugate gradients are its Lanczos matrix.
 * @param rng of each observation, for the signs; without it what needs them is NaN
 */
export async function noiseFigures(
  batch: LinearBatch,
  D: number,
  rng: ((i: number) => Rng) | undefined,
): Promise<NoiseFigures> {
  const { size: n, rows: M, diagonal } = batch;
  const P = noiseDiagonal(batch, D);
  const logDeterminants = sumsOf(P.map(Math.log), n);
  if (batch.isDiagonal)
    return {
      logDeterminants,
      traces: sumsOf(
        P.map((value, row) => diagonal[row]! / value),
        n,
      ),
    };
  if (!rng) {
    const unknown = new Float64Array(n).fill(Number.NaN);
    return { logDeterminants: unknown, traces: unknown };
  }
  const signs = signsOf(n, M, rng);
  const probes = P.map((value, row) => Math.sqrt(value) * signs[row]!);
  const { normal, course } = await solveNoise(batch, D, probes, 1);
  return {
    logDeterminants: logDeterminants.map((value, i) => value + M * quadrature(course![i]![0]!, Math.log)),
    traces: sumsOf(
      normal().map((value, row) => (value * signs[row]!) / Math.sqrt(P[row]!)),
      n,
    ),
  };
}

/** e_1' f(T) e_1 of the Lanczos matrix T behind steps of conjugate gradients. */
function quadrature(steps: readonly Step[], f: (value: number) => number): number {
  if (steps.length === 0) return f(1);
  const diagonal = steps.map(({ alpha }, j) => {
    const before = steps[j - 1];
    return 1 / alpha + (before ? before.beta / before.alpha : 0);
  });
  const beside = steps.map(({ alpha, beta }) => Math.sqrt(Math.max(beta, 0)) / alpha);
  return lanczosQuadrature(diagonal, beside).reduce(
    (total, { node, weight }) => total + weight * f(Math.max(node, Number.EPSILON)),
    0,
  );
}
