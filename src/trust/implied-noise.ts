import { type Estimate, estimateOf, jackknife } from "./clusters.ts";

/** What observations and their twins say of the noise, a number from each observation. */
export interface NoiseEvidence {
  /** T_i of the observations. */
  readonly found: readonly number[];
  /** T_i of twins, whose noise has the covariance Sigma that is taken for true. */
  readonly expected: readonly number[];
  /** d ln p / d f at f = 1 of the twins, for the covariance f Sigma. */
  readonly scores: readonly number[];
}

/** The factor f of the noise's variance that observations imply. */
export interface ImpliedNoise {
  readonly factor: number;
  readonly error: number;
  /** Mean of T_i less that of the twins. */
  readonly difference: Estimate;
  /** Whether it is known how much T moves with f. Where it is not, f is off by at least what `factor` says. */
  readonly isTold: boolean;
}

/**
 * How far the noise's variance may be from the true one: where noise alone decides, intervals of 90 % hold 85 % if the true variance
 * is 1.3 times the one used, and 95 % at .7 of it.
 */
export const TOLERANCE = 0.3;

/**
 * EM's own update of the noise's variance is  s^2 <- E_{x | y} |y - A x|^2 / M. With the covariance Sigma in place,
 * T_i = E_{x | y_i} (y_i - A_i x)' Sigma_i^-1 (y_i - A_i x) is the score of a factor f of it; it moves little where a latent can follow
 * the noise. Twins (`makeTwins`) have f = 1, which tells how much:
 *   d E[T] / d f = Cov(T, d ln p / d f),        f = 1 + (mean T - mean T of the twins) / (d E[T] / d f),
 * a step of Fisher's scoring. Twins are drawn for by the same sampler, so its smallest level and its errors cancel.
 */
export function impliedNoise({ found, expected, scores }: NoiseEvidence): ImpliedNoise {
  const slope = jackknife(
    expected.map((value, i) => [value, scores[i]!, value * scores[i]!]),
    ([value, score, product]) => product! - value! * score!,
  );
  const difference = estimateOf(found.map((value, i) => value - expected[i]!));
  const isTold = slope.mean > 3 * slope.error;
  const most = isTold ? slope.mean : slope.mean + 2 * slope.error;
  const factor = 1 + difference.mean / most;
  const error = Math.hypot(difference.error, isTold ? (factor - 1) * slope.error : 0) / most;
  return { factor, error, difference, isTold };
}
