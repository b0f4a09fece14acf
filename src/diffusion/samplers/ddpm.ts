import { add, div, mul, square, sub } from "../../graph/index.ts";
import { perSample } from "../denoiser.ts";
import { ancestralDeviation, type SamplerMethod } from "./method.ts";

/**
 * Ancestral sampling [Ho20; Rozet24, algorithm 2, line 5]:
 *   x_s = x_t - tau (x_t - d(x_t)) + sigma_s sqrt(tau) z,   tau = 1 - sigma_s^2 / sigma_t^2
 * computed as d(x_t) + (1 - tau) (x_t - d(x_t)) + ..., which for sigma_s = 0 is the denoised mean exactly.
 */
export function ddpm(): SamplerMethod {
  return {
    name: "ddpm",
    noises: 1,
    evaluations: 1,
    memory: 0,
    deviation: ancestralDeviation,
    step: (denoiser, x_t, levels, [z]) => {
      const { sigma_t, sigma_s } = levels;
      const kept = square(div(sigma_s, sigma_t));
      const x_hat = denoiser(x_t, sigma_t);
      const spread = perSample(ancestralDeviation(levels), x_t);
      const mean = add(x_hat, mul(perSample(kept, x_t), sub(x_t, x_hat)));
      return { x_s: add(mean, mul(spread, z!)), memory: [] };
    },
  };
}
