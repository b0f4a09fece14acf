import { add, div, greater, mul, sub, where } from "../../graph/index.ts";
import { perSample } from "../denoiser.ts";
import { diffusion, SDE_DEFAULTS } from "./euler.ts";
import { checkEta, positiveLevel, type SamplerMethod, type SamplerOptions } from "./method.ts";

/**
 * Heun's method on the reverse SDE [Rozet24, eq. 3; for eta = 0 Karras22, algorithm 1], in the variable sigma as in
 * `euler`: with the slope f(x, sigma) = (1 + eta^2) (x - d(x)) / sigma and one noise w = eta sqrt(sigma_t^2 - sigma_s^2) z,
 *   x' = x_t + (sigma_s - sigma_t) f(x_t, sigma_t) + w
 *   x_s = x_t + (sigma_s - sigma_t) (f(x_t, sigma_t) + f(x', sigma_s)) / 2 + w
 * Second order for eta = 0. The step to zero returns d(x_t), whose second evaluation is not used.
 * @throws ConfigError if eta is negative
 */
export function heun({ eta = SDE_DEFAULTS.eta }: Pick<SamplerOptions, "eta"> = {}): SamplerMethod {
  checkEta("heun", eta, Number.POSITIVE_INFINITY);
  return {
    name: "heun",
    noises: eta > 0 ? 1 : 0,
    evaluations: 2,
    memory: 0,
    step: (denoiser, x_t, levels, [z]) => {
      const { sigma_t, sigma_s } = levels;
      const sigma_next = positiveLevel(levels);
      const start = z ? add(x_t, mul(perSample(diffusion(levels, eta), x_t), z)) : x_t;
      const length = perSample(mul(sub(sigma_s, sigma_t), 1 + eta ** 2), x_t);
      const x_hat = denoiser(x_t, sigma_t);
      const slope = div(sub(x_t, x_hat), perSample(sigma_t, x_t));
      const trial = add(start, mul(length, slope));
      const slopeNext = div(sub(trial, denoiser(trial, sigma_next)), perSample(sigma_next, x_t));
      const x_s = add(start, mul(mul(length, 0.5), add(slope, slopeNext)));
      return { x_s: where(perSample(greater(sigma_s, 0), x_t), x_s, x_hat), memory: [] };
    },
  };
}
