import { ConfigError } from "../core/errors.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import { add, div, sub } from "../graph/index.ts";
import { observedCovariance, sigmaT } from "./heuristics.ts";
import type { Measurement } from "./posterior.ts";
import { linearize } from "./solvers/linearize.ts";
import { type SystemOptions, solveSystem } from "./solvers/solver.ts";

export interface DiffPirOptions extends SystemOptions {
  /**
   * Trust in the denoised mean: the method takes sigma_t^2 / lambda for the variance of the prior. The paper tunes it between 1 and
   * 25 for each task. Default 8, of the order that the paper found best.
   */
  readonly lambda?: number;
}

/** The solver multiplies by A and A' only, so its steps are nearly free: ten solve masks, and small systems, exactly. */
export const DIFFPIR_DEFAULTS = { lambda: 8, cgSteps: 10 } as const satisfies DiffPirOptions;

/**
 * Plug-and-play restoration by diffusion [Zhu23, algorithm 1]: the denoised mean, then the proximal step of the data,
 *   argmin_x (y - A x)' Sigma_y^-1 (y - A x) + |x - x_hat|^2 / rho,      rho = sigma_t^2 / lambda
 *     = x_hat + rho A' (Sigma_y + rho A A')^-1 (y - A x_hat),
 * solved in the space of y (push-through identity), where Sigma_y = 0 is no division by zero. The paper's update of x_s from this
 * x and noise is a step of `ddim`, whose eta is the paper's zeta in another parametrization. The method takes no product with
 * the denoiser's Jacobian, so only later evaluations spread information from observed to hidden entries. Cost: no
 * vector-Jacobian product. An operator that is not linear is linearized at x_hat, one Gauss-Newton step.
 */
export function diffpir(
  denoiser: Denoiser,
  measurement: Measurement,
  options: DiffPirOptions = {},
): Denoiser {
  const { lambda, ...system } = { ...DIFFPIR_DEFAULTS, ...options };
  if (!(lambda > 0 && Number.isFinite(lambda)))
    throw new ConfigError(`diffpir: lambda must be > 0, got ${lambda}.`);
  return (x_t, sigma_t) => {
    const x_hat = denoiser(x_t, sigma_t);
    const local = linearize(measurement, x_hat);
    const spread = sigmaT(sigma_t);
    const rho = (v: typeof x_t) => div(spread(v), lambda);
    const product = observedCovariance(local, measurement.variance, rho);
    const { solution } = solveSystem(product, sub(measurement.y, local.predicted), system);
    return add(x_hat, rho(local.pull(solution)));
  };
}
