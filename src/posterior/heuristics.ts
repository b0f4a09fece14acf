import { type Denoiser, perSample } from "../diffusion/denoiser.ts";
import { type Gaussian, gaussianConstants, shrink } from "../diffusion/gaussian.ts";
import { add, div, mul, square, sub, type Tensor, vjp } from "../graph/index.ts";
import { adjoint } from "../operators/operator.ts";
import { conjugateGradient } from "./conjugate-gradient.ts";
import type { MmpsOptions } from "./mmps.ts";
import type { Measurement } from "./posterior.ts";

/** An approximation of V[x | x_t] as a linear map on latents, given the noise level [B] or [1]. */
export type Covariance = (sigma_t: Tensor) => (v: Tensor) => Tensor;

/** V = Sigma_t = sigma_t^2 I [Adam22]. Too wide wherever the prior knows better. */
export const sigmaT: Covariance = (sigma_t) => (v) => mul(square(perSample(sigma_t, v)), v);

/** V = (I + Sigma_t^-1)^-1 = sigma_t^2 / (1 + sigma_t^2): the exact covariance of a standard normal prior [Song23]. */
export const identityPrior: Covariance = (sigma_t) => (v) => {
  const variance = square(perSample(sigma_t, v));
  return mul(div(variance, add(variance, 1)), v);
};

/** V = (Sigma_x^-1 + Sigma_t^-1)^-1: the exact covariance of a Gaussian prior [Rozet23]. */
export function gaussianPrior(gaussian: Gaussian): Covariance {
  const tensors = gaussianConstants(gaussian);
  return (sigma_t) => {
    const map = shrink(tensors, sigma_t);
    return (v) => mul(square(perSample(sigma_t, v)), map(v));
  };
}

/**
 * Posterior denoiser with a covariance that does not depend on the denoiser [Rozet24, algorithm 3, line 6].
 *   solve (Sigma_y + A V A') v = y - A x_hat,   E[x | x_t, y] = x_hat + sigma_t^2 J' A' v
 * The last product keeps the denoiser's own Jacobian, as in algorithm 3, line 9: one product in all.
 */
export function heuristicPosterior(
  denoiser: Denoiser,
  { operator, y, variance }: Measurement,
  covariance: Covariance,
  options: MmpsOptions = {},
): Denoiser {
  const { cgSteps = 1 } = options;
  return (x_t, sigma_t) => {
    const x_hat = denoiser(x_t, sigma_t);
    const predicted = operator(x_hat);
    const V = covariance(sigma_t);
    const { solution } = conjugateGradient(
      (p) => {
        const spread = operator(V(adjoint(operator, x_hat, p)));
        return { product: add(mul(p, variance), spread), companion: p };
      },
      sub(y, predicted),
      cgSteps,
    );
    const pulled = vjp([predicted], [x_t], [solution])[0]!;
    return add(x_hat, mul(square(perSample(sigma_t, x_t)), pulled));
  };
}
