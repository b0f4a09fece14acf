import type { Denoiser } from "../diffusion/denoiser.ts";
import { heuristicPosterior, identityPrior } from "./heuristics.ts";
import type { Measurement } from "./posterior.ts";
import type { SystemOptions } from "./solvers/solver.ts";

/** The solver multiplies by A and A' only, so its steps are nearly free: ten solve masks, and small systems, exactly. */
export const PIGDM_DEFAULTS = { cgSteps: 10 } as const satisfies SystemOptions;

/**
 * Pseudo-inverse guided diffusion [Song23, section 3]: p(x | x_t) ~ N(x_hat, r_t^2 I) with the variance that a standard
 * normal prior would have, r_t^2 = sigma_t^2 / (1 + sigma_t^2).
 *   E[x | x_t, y] ~= x_hat + sigma_t^2 J' A' (Sigma_y + r_t^2 A A')^-1 (y - A x_hat)
 * It is exact for a standard normal prior, so data should have about unit variance. Without noise A' (r_t^2 A A')^-1 is the
 * pseudo-inverse A^+ / r_t^2, hence the name. This is the posterior's score as the paper derives it. The paper's sampler weakens
 * it: each step adds J' A^+ (y - A x_hat) to x_s. With this denoiser a step of any sampler adds tau (1 + sigma_t^2) times that,
 * where tau is the share of the way to the denoised mean.
 * Cost: one vector-Jacobian product. An operator that is not linear is linearized at x_hat.
 */
export function pigdm(denoiser: Denoiser, measurement: Measurement, options: SystemOptions = {}): Denoiser {
  return heuristicPosterior(denoiser, measurement, identityPrior, { ...PIGDM_DEFAULTS, ...options });
}
