import { add, div, greater, mul, sqrt, square, sub, type Tensor, where } from "../../graph/index.ts";
import { perSample } from "../denoiser.ts";
import { checkEta, type SamplerMethod, type SamplerOptions, type StepLevels } from "./method.ts";

/** The reverse SDE; 0 gives the probability-flow ODE. */
export const SDE_DEFAULTS = { eta: 1 } as const;

/**
 * Euler-Maruyama on the reverse SDE [Rozet24, eq. 3] with f = 0 and g^2 dt = d(sigma^2). As the score is
 * (d(x_t) - x_t) / sigma_t^2, in the variable sigma it reads
 *   dx = (1 + eta^2) (x - d(x)) / sigma dsigma + eta sqrt(d(sigma^2)) z, run towards smaller sigma,
 * and a step from sigma_t to sigma_s is
 *   x_s = x_t - (1 + eta^2) (1 - sigma_s / sigma_t) (x_t - d(x_t)) + eta sqrt(sigma_t^2 - sigma_s^2) z.
 * The step to zero is replaced by the denoised mean, which for eta = 0 it is anyway: `ddim` with eta = 0 is the same map.
 * @throws ConfigError if eta is negative
 */
export function euler({ eta = SDE_DEFAULTS.eta }: Pick<SamplerOptions, "eta"> = {}): SamplerMethod {
  checkEta("euler", eta, Number.POSITIVE_INFINITY);
  return {
    name: "euler",
    noises: eta > 0 ? 1 : 0,
    evaluations: 1,
    memory: 0,
    step: (denoiser, x_t, levels, [z]) => {
      const { sigma_t, sigma_s } = levels;
      const x_hat = denoiser(x_t, sigma_t);
      // 1 - (1 + eta^2) (1 - r), grouped so that eta = 0 leaves r without cancellation.
      const r = div(sigma_s, sigma_t);
      const kept = where(greater(sigma_s, 0), sub(mul(r, 1 + eta ** 2), eta ** 2), 0);
      const mean = add(x_hat, mul(perSample(kept, x_t), sub(x_t, x_hat)));
      return { x_s: z ? add(mean, mul(perSample(diffusion(levels, eta), x_t), z)) : mean, memory: [] };
    },
  };
}

/** Standard deviation of the noise between two levels, eta sqrt(sigma_t^2 - sigma_s^2); zero in the step to zero. */
export function diffusion({ sigma_t, sigma_s }: StepLevels, eta: number): Tensor {
  const added = mul(sqrt(sub(square(sigma_t), square(sigma_s))), eta);
  return where(greater(sigma_s, 0), added, 0);
}
