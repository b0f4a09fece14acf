import { add, log } from "../graph/index.ts";
import type { Dropout, Network } from "../nn/network.ts";
import type { Weights } from "../nn/parameters.ts";
import { type Base, normalBase } from "./base.ts";
import type { Denoiser } from "./denoiser.ts";

export interface PreconditionOptions {
  /** What the network corrects. Default: the denoiser of a standard normal, which gives the paper's equation 26. */
  readonly base?: Base;
  /** Dropout, only while training. */
  readonly dropout?: Dropout | undefined;
}

/**
 * Makes a denoiser of a network h. Preconditioning lets h see and predict values of unit scale at every noise level:
 *   d(x_t, s) = E[x | x_t] + V[x | x_t]^(1/2) h(z, ln s),   z = x_t in units of its deviation,
 * with E, V and deviation of the base. For a standard normal this is [Rozet24, eq. 26; Karras22, section 5],
 *   d(x_t, s) = x_t / (s^2 + 1) + s / sqrt(s^2 + 1) h(x_t / sqrt(s^2 + 1), ln s),
 * where the factor inside h is the reference code's. For the Gaussian start, a network whose output is zero is the denoiser of
 * that Gaussian. So training begins there, and the network learns only what the Gaussian does not explain.
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
