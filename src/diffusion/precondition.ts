import { add, log } from "../graph/index.ts";
import type { Dropout, Network } from "../nn/network.ts";
import type { Weights } from "../nn/parameters.ts";
import { type Base, normalBase } from "./base.ts";
import type { Denoiser } from "./denoiser.ts";

export interface PreconditionOptions {
  /** What the network corrects. Default: the denoiser of a standard normal, which gives the paper's equation 26. */
  readonly base?: Base;
  /** Only while training. */
  readonly dropout?: Dropout | undefined;
}

/**
 * A network h as a denoiser, preconditioned so that it sees and predicts values of unit scale at every noise level:
 *   d(x_t, s) = E[x | x_t] + V[x | x_t]^(1/2) h(z, ln s),   z = x_t in units of its deviation,
 * all three of the base. With a standard normal as the base,
 *   d(x_t, s) = x_t / (s^2 + 1) + s / sqrt(s^2 + 1) h(x_t / sqrt(s^2 + 1), ln s),
 * this is [Rozet24, eq. 26; Karras22, section 5]; the factor inside h is the reference code's. With the Gaussian start as
 * the base, a network whose output starts at zero starts as that Gaussian, and only has to learn what a Gaussian leaves
 * unexplained.
 */
export function precondition(
  network: Network,
  weights: Weights,
  options: PreconditionOptions = {},
): Denoiser {
  const { base = normalBase, dropout } = options;
  return (x_t, sigma_t) => {
    const { mean, input, correction } = base(x_t, sigma_t);
    return add(mean, correction(network.apply(weights, input, log(sigma_t), dropout)));
  };
}
