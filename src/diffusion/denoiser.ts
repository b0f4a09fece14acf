import { add, div, log, mul, reciprocal, reshape, sqrt, square, type Tensor } from "../graph/index.ts";
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

/**
 * A network h as a denoiser, preconditioned so that it sees and predicts values of unit scale at every noise level:
 *   d(x_t, sigma) = x_t / (sigma^2 + 1) + sigma / sqrt(sigma^2 + 1) h(x_t / sqrt(sigma^2 + 1), ln sigma)
 * [Rozet24, eq. 26; Karras22, section 5]. The factor inside h is the reference code's; the paper's text omits it.
 */
export function precondition(network: Network, weights: Weights, dropout?: Dropout): Denoiser {
  return (x_t, sigma_t) => {
    const sigma = perSample(sigma_t, x_t);
    const inverse = reciprocal(sqrt(add(square(sigma), 1)));
    const h = network.apply(weights, mul(x_t, inverse), log(sigma_t), dropout);
    return add(mul(x_t, square(inverse)), mul(mul(sigma, inverse), h));
  };
}

/** lambda_t = 1 / sigma_t^2 + 1, the weight of the loss at a noise level [Rozet24, appendix C]. */
export function lossWeight(sigma_t: Tensor): Tensor {
  return add(div(1, square(sigma_t)), 1);
}
