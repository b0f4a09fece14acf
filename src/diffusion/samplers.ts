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
 * With sigma_s = 0 it returns the denoised mean.
 */
export const ddpmStep: SamplerStep = (denoiser, x_t, sigma_t, sigma_s, noise) => {
  const tau = perSample(sub(1, square(div(sigma_s, sigma_t))), x_t);
  const x_hat = denoiser(x_t, sigma_t);
  const spread = mul(perSample(sigma_s, x_t), sqrt(tau));
  return add(sub(x_t, mul(tau, sub(x_t, x_hat))), mul(spread, noise));
};

/** Deterministic (DDIM) step [Song21]: x_s = x_t - (1 - sigma_s / sigma_t) (x_t - d(x_t)). */
export const ddimStep: SamplerStep = (denoiser, x_t, sigma_t, sigma_s) => {
  const share = perSample(sub(1, div(sigma_s, sigma_t)), x_t);
  return sub(x_t, mul(share, sub(x_t, denoiser(x_t, sigma_t))));
};

/** The samplers by name; deterministic ones need no noise after the start. */
export const SAMPLERS = {
  ddpm: { step: ddpmStep, stochastic: true },
  ddim: { step: ddimStep, stochastic: false },
} as const;
export type SamplerName = keyof typeof SAMPLERS;
