import { ConfigError } from "../core/errors.ts";

/** Noise levels of a diffusion with alpha_t = 1: x_t = x + sigma_t z. */
export interface Schedule {
  /** Smallest level, sigma_0, in the data's units. */
  readonly sigmaMin: number;
  /** Largest level, sigma_1. */
  readonly sigmaMax: number;
}

/** The paper's range (equation 27). */
export const VE_DEFAULTS: Schedule = { sigmaMin: 1e-3, sigmaMax: 1e2 };

/** sigma_t = sigmaMin^(1 - t) sigmaMax^t, t in [0, 1] [Rozet24, eq. 27]. */
export function sigmaAt({ sigmaMin, sigmaMax }: Schedule, t: number): number {
  return sigmaMin ** (1 - t) * sigmaMax ** t;
}

/**
 * The levels that a sampler of T steps visits: sigma_1, ..., sigma_{1/T}, sigma_0, 0. The step to zero returns the
 * denoised mean, so T steps cost T + 1 evaluations of the denoiser, as in the paper's reference code.
 */
export function noiseLevels(schedule: Schedule, steps: number): number[] {
  if (!Number.isInteger(steps) || steps < 1)
    throw new ConfigError(`sampler: steps must be a whole number >= 1, got ${steps}.`);
  const visited = Array.from({ length: steps + 1 }, (_, k) => sigmaAt(schedule, 1 - k / steps));
  return [...visited, 0];
}

/** @throws ConfigError unless 0 < sigmaMin < sigmaMax */
export function checkSchedule({ sigmaMin, sigmaMax }: Schedule, where: string): void {
  if (!(sigmaMin > 0 && sigmaMin < sigmaMax && Number.isFinite(sigmaMax)))
    throw new ConfigError(`${where}: 0 < sigmaMin < sigmaMax expected, got ${sigmaMin} and ${sigmaMax}.`);
}
