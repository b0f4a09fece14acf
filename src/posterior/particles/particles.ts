import { NumericalError } from "../../core/errors.ts";
import type { Rng } from "../../core/random.ts";

/** Weights of one set of particles, from unnormalized log weights. */
export interface Weights {
  /** Sum 1. */
  readonly normalized: Float64Array;
  /** ln of the mean of the weights. */
  readonly logMean: number;
  /** Effective sample size, (sum w)^2 / sum w^2, between 1 and their number [Kong94]. */
  readonly effectiveSize: number;
}

/** @throws NumericalError if a log weight is NaN or +infinity, or none is above -infinity */
export function weigh(logWeights: Float64Array): Weights {
  const top = logWeights.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!Number.isFinite(top))
    throw new NumericalError(
      `twisted sampling: finite weights expected, the largest log weight is ${top}. The denoiser diverges, or the noise variance is far too small for these observations.`,
    );
  const normalized = logWeights.map((value) => Math.exp(value - top));
  const total = normalized.reduce((a, b) => a + b, 0);
  let squares = 0;
  for (let k = 0; k < normalized.length; k++) {
    normalized[k] = normalized[k]! / total;
    squares += normalized[k]! ** 2;
  }
  return { normalized, logMean: top + Math.log(total / normalized.length), effectiveSize: 1 / squares };
}

/**
 * Systematic resampling [Kitagawa96]: the points (u + i) / n, i = 0 ... n - 1, with one uniform u, each pick the
 * particle in whose share of [0, 1) they fall. Particle k is picked floor(n w_k) or ceil(n w_k) times, n w_k on average.
 * @param weights sum 1
 * @returns n indices, ascending
 */
export function systematicResample(weights: Float64Array, n: number, rng: Rng): Uint32Array {
  const picked = new Uint32Array(n);
  const offset = rng.uniform();
  let k = 0;
  let reached = weights[0]!;
  for (let i = 0; i < n; i++) {
    while ((offset + i) / n >= reached && k + 1 < weights.length) reached += weights[++k]!;
    picked[i] = k;
  }
  return picked;
}
