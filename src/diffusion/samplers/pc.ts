import { ConfigError } from "../../core/errors.ts";
import { check, whole } from "../../core/kinds.ts";
import { add, greater, mul, sub, where } from "../../graph/index.ts";
import { perSample } from "../denoiser.ts";
import { ddim } from "./ddim.ts";
import { positiveLevel, type SamplerMethod, type SamplerOptions } from "./method.ts";

/** The reference code's, which the paper leaves open. */
export const PC_DEFAULTS = { corrections: 1, tau: 0.1 } as const;

/**
 * Predictor-corrector sampling [Song21b, algorithm 1; Rozet24, appendix C]: a deterministic DDIM step to sigma_s, then
 * `corrections` times the Langevin step
 *   x <- x - tau (x - d(x, sigma_s)) + sigma_s sqrt(2 tau) z.
 * The step to zero has nothing to correct and returns the denoised mean; its corrections are computed and not used.
 * @throws ConfigError unless corrections is a whole number >= 0 and tau is in (0, 1]
 */
export function pc({
  corrections = PC_DEFAULTS.corrections,
  tau = PC_DEFAULTS.tau,
}: Pick<SamplerOptions, "corrections" | "tau"> = {}): SamplerMethod {
  check(whole(0), corrections, "pc: corrections");
  if (!(tau > 0 && tau <= 1)) throw new ConfigError(`pc: tau must be in (0, 1], got ${tau}.`);
  const predictor = ddim({ eta: 0 });
  return {
    name: "pc",
    noises: corrections,
    evaluations: 1 + corrections,
    memory: 0,
    step: (denoiser, x_t, levels, noises) => {
      const predicted = predictor.step(denoiser, x_t, levels, [], []).x_s;
      const sigma = positiveLevel(levels);
      const spread = perSample(mul(sigma, Math.sqrt(2 * tau)), x_t);
      const corrected = noises.reduce((x, z) => {
        const pull = mul(sub(x, denoiser(x, sigma)), tau);
        return add(sub(x, pull), mul(spread, z));
      }, predicted);
      return { x_s: where(perSample(greater(levels.sigma_s, 0), x_t), corrected, predicted), memory: [] };
    },
  };
}
