import { type Denoiser, perSample } from "../diffusion/denoiser.ts";
import { add, div, greater, mul, sqrt, sub, vjp, where } from "../graph/index.ts";
import type { Measurement, PosteriorOptions } from "./posterior.ts";
import { dot } from "./solvers/linear-system.ts";
import { linearize } from "./solvers/linearize.ts";

export interface DpsOptions extends PosteriorOptions {
  /**
   * Length of a full step down the residual's norm, in units of the data per unit of y. Default 1, as in the paper for most tasks;
   * there it is for one of 1000 steps, see `dps`.
   */
  readonly zeta?: number;
}

/**
 * Diffusion posterior sampling [Chung23, algorithm 1]: a step down the gradient of the residual's norm,
 *   x_s = (step of the prior's sampler) - zeta' d|y - A(x_hat)| / dx_t,      x_hat = d(x_t).
 * The paper moves x_s once in each step, by a length that depends neither on the noise of y nor on the size of the step. As a
 * denoiser,
 *   x_hat(y) = x_hat - zeta d|y - A(x_hat)| / dx_t = x_hat + zeta J' A' r / |r|,      r = y - A(x_hat),
 * of which an ancestral step takes the share tau = 1 - sigma_s^2 / sigma_t^2 into x_s: the paper's step with
 * zeta' = tau zeta, so finer schedules do not pull harder. Where r = 0 the gradient counts as 0. The method does not use the
 * variance of y, so draws do not widen with it, and do not approach the posterior with more steps.
 * Cost: one vector-Jacobian product. The operator need not be linear.
 */
export function dps(denoiser: Denoiser, measurement: Measurement, options: DpsOptions = {}): Denoiser {
  const { zeta = 1 } = options;
  return (x_t, sigma_t) => {
    const x_hat = denoiser(x_t, sigma_t);
    const { predicted } = linearize(measurement, x_hat);
    const r = sub(measurement.y, predicted);
    const length = sqrt(dot(r, r));
    const unit = div(r, perSample(where(greater(length, 0), length, 1), r));
    return add(x_hat, mul(vjp([predicted], [x_t], [unit])[0]!, zeta));
  };
}
