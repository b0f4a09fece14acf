import { add, div, mul, sqrt, square, sub } from "../../graph/index.ts";
import { perSample } from "../denoiser.ts";
import { checkEta, type SamplerMethod, type SamplerOptions } from "./method.ts";

/** Deterministic, as the name has it. */
export const DDIM_DEFAULTS = { eta: 0 } as const;

/**
 * DDIM [Song21, eq. 12 and 16]: with r = sigma_s / sigma_t,
 *   x_s = d(x_t) + r sqrt(1 - eta^2 (1 - r^2)) (x_t - d(x_t)) + eta sigma_s sqrt(1 - r^2) z
 * eta = 0 is deterministic: x_s = x_t - (1 - r) (x_t - d(x_t)); eta = 1 is `ddpm`.
 * @throws ConfigError unless eta is in [0, 1]
 */
export function ddim({ eta = DDIM_DEFAULTS.eta }: Pick<SamplerOptions, "eta"> = {}): SamplerMethod {
  checkEta("ddim", eta, 1);
  return {
    name: "ddim",
    noises: eta > 0 ? 1 : 0,
    evaluations: 1,
    memory: 0,
    step: (denoiser, x_t, { sigma_t, sigma_s }, [z]) => {
      const r = div(sigma_s, sigma_t);
      const x_hat = denoiser(x_t, sigma_t);
      const renewed = sub(1, square(r));
      const kept = eta > 0 ? mul(r, sqrt(sub(1, mul(renewed, eta ** 2)))) : r;
      const mean = add(x_hat, mul(perSample(kept, x_t), sub(x_t, x_hat)));
      if (!z) return { x_s: mean, memory: [] };
      const spread = perSample(mul(mul(sigma_s, sqrt(renewed)), eta), x_t);
      return { x_s: add(mean, mul(spread, z)), memory: [] };
    },
  };
}
