import { add, div, mul, sqrt, square, sub, type Tensor } from "../graph/index.ts";
import { type Denoiser, perSample } from "./denoiser.ts";

/**
 * One step of a sampler, from noise level sigma_t to sigma_s < sigma_t.
 * @param x_t [B, ...]
 * @param sigma_t, sigma_s [B] or [1]
 * @param noise standard normal, same shape as x_t; deterministic samplers leave it unused
 * @returns x_s, same shape as x_t
 */
export type SamplerStep = (
  denoiser: Denoiser,
  x_t: Tensor,
  sigma_t: Tensor,
  sigma_s: Tensor,
  noise: Tensor,
) => Tensor;

/**
 * Ancestral (DDPM) step [Rozet24, algorithm 2, line 5]:
 *   x_s = x_t - tau (x_t - d(x_t)) + sigma_s sqrt(tau) z,   tau = 1 - sigma_s^2 / sigma_t^2
 * computed as d(x_t) + (1 - tau) (x_t - d(x_t)) + ..., which for sigma_s = 0 is the denoised mean exactly.
 */
export const ddpmStep: SamplerStep = (denoiser, x_t, sigma_t, sigma_s, noise) => {
  const kept = square(div(sigma_s, sigma_t));
  const x_hat = denoiser(x_t, sigma_t);
  const spread = perSample(mul(sigma_s, sqrt(sub(1, kept))), x_t);
  return add(add(x_hat, mul(perSample(kept, x_t), sub(x_t, x_hat))), mul(spread, noise));
};

/**
 * Deterministic (DDIM) step [Song21]: x_s = x_t - (1 - sigma_s / sigma_t) (x_t - d(x_t)), computed as
 * d(x_t) + (sigma_s / sigma_t) (x_t - d(x_t)).
 */
export const ddimStep: SamplerStep = (denoiser, x_t, sigma_t, sigma_s) => {
  const x_hat = denoiser(x_t, sigma_t);
  return add(x_hat, mul(perSample(div(sigma_s, sigma_t), x_t), sub(x_t, x_hat)));
};

/** The samplers by name; deterministic ones need no noise after the start. */
export const SAMPLERS = {
  ddpm: { step: ddpmStep, stochastic: true },
  ddim: { step: ddimStep, stochastic: false },
} as const;
export type SamplerName = keyof typeof SAMPLERS;
