import { type Denoiser, perSample } from "../diffusion/denoiser.ts";
import { type Gaussian, gaussianConstants, shrink } from "../diffusion/gaussian.ts";
import { add, div, mul, square, sub, type Tensor, vjp } from "../graph/index.ts";
import type { NoiseVariance } from "../operators/operator.ts";
import type { Measurement } from "./posterior.ts";
import type { Product } from "./solvers/linear-system.ts";
import { type Linearization, linearize } from "./solvers/linearize.ts";
import { multiplyNoise } from "./solvers/noise.ts";
import { type SystemOptions, solveSystem } from "./solvers/solver.ts";

/** An approximation of V[x | x_t]: makes a linear map on latents for a noise level, [B] or [1]. */
export type Covariance = (sigma_t: Tensor) => (v: Tensor) => Tensor;

/** V = Sigma_t = sigma_t^2 I [Adam22]. It is too wide wherever the prior is narrower. */
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

/** p -> (Sigma_y + H V H') p, for a covariance V that does not depend on the denoiser: no product with its Jacobian. */
export function observedCovariance(
  { apply, pull }: Linearization,
  variance: NoiseVariance,
  V: (v: Tensor) => Tensor,
): Product {
  return (p) => ({ product: add(multiplyNoise(variance, p), apply(V(pull(p)))), companion: p });
}

/**
 * Posterior denoiser with a covariance that does not depend on the denoiser [Rozet24, algorithm 3, line 6].
 *   solve (Sigma_y + A V A') v = y - A x_hat,   E[x | x_t, y] = x_hat + sigma_t^2 J' A' v
 * The last product keeps the denoiser's own Jacobian, as in algorithm 3, line 9: one product in all.
 */
export function heuristicPosterior(
  denoiser: Denoiser,
  measurement: Measurement,
  covariance: Covariance,
  options: SystemOptions = {},
): Denoiser {
  return (x_t, sigma_t) => {
    const x_hat = denoiser(x_t, sigma_t);
    const local = linearize(measurement, x_hat);
    const product = observedCovariance(local, measurement.variance, covariance(sigma_t));
    const { solution } = solveSystem(product, sub(measurement.y, local.predicted), options);
    const pulled = vjp([local.predicted], [x_t], [solution])[0]!;
    return add(x_hat, mul(square(perSample(sigma_t, x_t)), pulled));
  };
}
