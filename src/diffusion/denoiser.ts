import {
  add,
  clip,
  div,
  log,
  mul,
  reciprocal,
  reshape,
  sqrt,
  square,
  sub,
  type Tensor,
} from "../graph/index.ts";
import type { Dropout, Network } from "../nn/network.ts";
import type { Weights } from "../nn/parameters.ts";

/**
 * E[x | x_t]: the mean of clean data given noisy data x_t = x + sigma_t z.
 * @param x_t [B, ...]
 * @param sigma_t [B], or [1] if the batch shares its noise level
 * @returns same shape as x_t
 */
export type Denoiser = (x_t: Tensor, sigma_t: Tensor) => Tensor;

/** Reshapes per-sample values [B] (or [1]) so that they broadcast against x [B, ...]. */
export function perSample(values: Tensor, x: Tensor): Tensor {
  return reshape(values, [-1, ...x.shape.slice(1).map(() => 1)]);
}

/** The denoiser of a standard normal prior: x_t / (sigma_t^2 + 1). */
export const normalDenoiser: Denoiser = (x_t, sigma_t) => div(x_t, add(square(perSample(sigma_t, x_t)), 1));

export interface PreconditionOptions {
  /** What the network corrects. Default: the denoiser of a standard normal, which gives the paper's equation 26. */
  readonly base?: Denoiser;
  /** Only while training. */
  readonly dropout?: Dropout | undefined;
}

/**
 * A network h as a denoiser, preconditioned so that it sees and predicts values of unit scale at every noise level:
 *   d(x_t, sigma) = base(x_t, sigma) + sigma / sqrt(sigma^2 + 1) h(x_t / sqrt(sigma^2 + 1), ln sigma)
 * With the base of a standard normal, x_t / (sigma^2 + 1), this is [Rozet24, eq. 26; Karras22, section 5]; the factor
 * inside h is the reference code's. With the denoiser of the Gaussian start as the base, a network whose output starts
 * at zero starts as that Gaussian, and only has to learn what a Gaussian leaves unexplained.
 */
export function precondition(
  network: Network,
  weights: Weights,
  options: PreconditionOptions = {},
): Denoiser {
  const { base = normalDenoiser, dropout } = options;
  return (x_t, sigma_t) => {
    const sigma = perSample(sigma_t, x_t);
    const inverse = reciprocal(sqrt(add(square(sigma), 1)));
    const h = network.apply(weights, mul(x_t, inverse), log(sigma_t), dropout);
    return add(base(x_t, sigma_t), mul(mul(sigma, inverse), h));
  };
}

/**
 * A denoiser whose means are kept inside the limits of the data, give or take
 * m = min(sigma_t - sigma_0, (hi - lo) / 4): a mean of values in [lo, hi] lies in [lo, hi]. A learned denoiser errs where it was not trained, and the Jacobian that guides it
 * errs more; without limits a few draws in a hundred leave the data for good, with them the next step finds back. The
 * margin leaves a denoiser's ordinary errors alone, which even out: cut off exactly at the limits, those of values on a
 * limit (a black background) would add up to a bias.
 * @param sigmaMin sigma_0, the level of the last step: what samplers return is inside
 */
export function limitMean(
  denoiser: Denoiser,
  [lo, hi]: readonly [number, number],
  sigmaMin: number,
): Denoiser {
  return (x_t, sigma_t) => {
    const margin = perSample(clip(sub(sigma_t, sigmaMin), 0, (hi - lo) / 4), x_t);
    return clip(denoiser(x_t, sigma_t), sub(lo, margin), add(hi, margin));
  };
}

/** lambda_t = 1 / sigma_t^2 + 1, the weight of the loss at a noise level [Rozet24, appendix C]. */
export function lossWeight(sigma_t: Tensor): Tensor {
  return add(div(1, square(sigma_t)), 1);
}
