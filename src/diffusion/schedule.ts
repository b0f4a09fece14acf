import { ConfigError } from "../core/errors.ts";
import { check, whole } from "../core/kinds.ts";
import { MOST_LEVELS } from "../core/limits.ts";

/** How the noise levels between the smallest and the largest are spaced over time, see `sigmaAt`. */
export const SPACINGS = ["geometric", "vp", "cosine", "edm"] as const;
export type Spacing = (typeof SPACINGS)[number];

/**
 * Noise levels of a diffusion x_t = x + sigma_t z.
 *
 * A variance-preserving diffusion x'_t = alpha_t x + sigma'_t z, with alpha_t^2 + sigma'_t^2 = 1, is the same process. Divided by
 * alpha_t it is x_t = x + sigma_t z with sigma_t = sigma'_t / alpha_t, and E[x | x'_t] = d(x'_t / alpha_t, sigma'_t / alpha_t). In
 * these coordinates the DDPM and DDIM steps of [Ho20] and [Song21] are the steps of this library. A VP or cosine schedule differs
 * only in the levels sigma_t that it visits, so here it is a spacing.
 */
export interface Schedule {
  /** Smallest level, sigma_0, in the data's units. */
  readonly sigmaMin: number;
  /** Largest level, sigma_1. */
  readonly sigmaMax: number;
  /** Default "geometric", the paper's. */
  readonly spacing?: Spacing;
}

/** The paper's range (equation 27). */
export const VE_DEFAULTS: Schedule = { sigmaMin: 1e-3, sigmaMax: 1e2 };

/** Ends of beta over u in [0, 1], and the exponent of the EDM spacing, as published. */
const BETA = { min: 0.1, max: 20 } as const;
const RHO = 7;

/** A spacing is a scale on which its levels are equidistant in t. */
interface Scale {
  readonly of: (sigma: number) => number;
  readonly sigma: (value: number) => number;
}

const SCALES: Readonly<Record<Spacing, Scale>> = {
  geometric: { of: Math.log, sigma: Math.exp },
  vp: { of: vpTime, sigma: vpSigma },
  cosine: { of: Math.atan, sigma: Math.tan },
  edm: { of: (sigma) => sigma ** (1 / RHO), sigma: (value) => value ** RHO },
};

/**
 * sigma_t, increasing in t from sigmaMin at 0 to sigmaMax at 1:
 *   geometric  sigma_t = sigmaMin^(1 - t) sigmaMax^t                                          [Rozet24, eq. 27]
 *   vp         1 / abar = 1 + sigma^2 = exp(int_0^u beta), beta = 0.1 + 19.9 u, u linear in t  [Ho20; Song21b, eq. 33]
 *   cosine     sigma = tan(phi), abar = cos^2(phi), phi linear in t                            [Nichol21, eq. 17]
 *   edm        sigma_t = ((1 - t) sigmaMin^(1/7) + t sigmaMax^(1/7))^7                          [Karras22, eq. 5]
 * The offset s of [Nichol21] keeps the first level from zero; here sigmaMin does.
 */
export function sigmaAt({ sigmaMin, sigmaMax, spacing = "geometric" }: Schedule, t: number): number {
  // The ends to the last bit, whatever the scale rounds.
  if (t === 0) return sigmaMin;
  if (t === 1) return sigmaMax;
  const scale = SCALES[spacing];
  return scale.sigma((1 - t) * scale.of(sigmaMin) + t * scale.of(sigmaMax));
}

/** sqrt(exp(int_0^u beta) - 1) */
function vpSigma(u: number): number {
  return Math.sqrt(Math.expm1(BETA.min * u + ((BETA.max - BETA.min) / 2) * u ** 2));
}

/** The u at which the diffusion has this level: the positive root of int_0^u beta = ln(1 + sigma^2). */
function vpTime(sigma: number): number {
  const total = Math.log1p(sigma ** 2);
  const slope = BETA.max - BETA.min;
  return (2 * total) / (BETA.min + Math.sqrt(BETA.min ** 2 + 2 * slope * total));
}

/**
 * The levels that a sampler of T steps visits: sigma_1, ..., sigma_{1/T}, sigma_0, 0. The step to zero returns the
 * denoised mean, so T steps cost T + 1 steps of the sampler, as in the paper's reference code.
 */
export function noiseLevels(schedule: Schedule, steps: number): number[] {
  check(whole(1, MOST_LEVELS), steps, "sampler: steps");
  const visited = Array.from({ length: steps + 1 }, (_, k) => sigmaAt(schedule, 1 - k / steps));
  return [...visited, 0];
}

/** @throws ConfigError unless there are two levels or more that fall, down to 0 at the lowest */
export function checkLevels(levels: readonly number[], where: string): void {
  const falls = levels.every((level, k) => k === 0 || level < levels[k - 1]!);
  if (!(levels.length >= 2 && falls && levels[0]! < Number.POSITIVE_INFINITY && levels.at(-1)! >= 0))
    throw new ConfigError(
      `${where}: expected noise levels that fall to zero, got ${levels.join(", ")}. Use noiseLevels.`,
    );
}

/** @throws ConfigError unless 0 < sigmaMin < sigmaMax */
export function checkSchedule({ sigmaMin, sigmaMax }: Schedule, where: string): void {
  if (!(sigmaMin > 0 && sigmaMin < sigmaMax && Number.isFinite(sigmaMax)))
    throw new ConfigError(`${where}: 0 < sigmaMin < sigmaMax expected, got ${sigmaMin} and ${sigmaMax}.`);
}
