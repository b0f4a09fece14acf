import { add, and, div, greater, log, mul, sub, type Tensor, where } from "../../graph/index.ts";
import { perSample } from "../denoiser.ts";
import type { SamplerMethod, StepLevels } from "./method.ts";

/**
 * A deterministic sampler of second order at one evaluation per step: DPM-Solver++(2M) [Lu22, algorithm 2]. In
 * lambda = -ln sigma the flow has an exact exponential part; what is left, d(x_t), is extrapolated linearly from this
 * level and the one before:
 *   D = d(x_t) + h / (2 h') (d(x_t) - d(x_r)),   h = ln(sigma_t / sigma_s),   h' = ln(sigma_r / sigma_t)
 *   x_s = D + sigma_s / sigma_t (x_t - D)
 * The first step, which has no level before it, and the step to zero take D = d(x_t).
 */
export function multistep(): SamplerMethod {
  return {
    name: "multistep",
    noises: 0,
    evaluations: 1,
    memory: 1,
    step: (denoiser, x_t, levels, _noises, [before]) => {
      const x_hat = denoiser(x_t, levels.sigma_t);
      const D = add(x_hat, mul(perSample(extrapolation(levels), x_t), sub(x_hat, before!)));
      const kept = perSample(div(levels.sigma_s, levels.sigma_t), x_t);
      return { x_s: add(D, mul(kept, sub(x_t, D))), memory: [x_hat] };
    },
  };
}

/** h / (2 h'), or 0 where either has no finite positive value. */
function extrapolation({ sigma_r, sigma_t, sigma_s }: StepLevels): Tensor {
  const usable = and(greater(sigma_s, 0), greater(sigma_r, sigma_t));
  const h = log(where(usable, div(sigma_t, where(usable, sigma_s, 1)), 1));
  const last = log(where(usable, div(sigma_r, sigma_t), 2));
  return div(h, mul(last, 2));
}
