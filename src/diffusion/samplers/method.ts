import { ConfigError } from "../../core/errors.ts";
import { div, greater, mul, sqrt, square, sub, type Tensor, where } from "../../graph/index.ts";
import type { Denoiser } from "../denoiser.ts";

/** Noise levels around a step, each [B] or [1]; sigma_s may be zero. */
export interface StepLevels {
  /** The level before sigma_t; sigma_t itself at the first step. */
  readonly sigma_r: Tensor;
  /** The level of x_t. */
  readonly sigma_t: Tensor;
  /** The level that the step goes to, sigma_s < sigma_t. */
  readonly sigma_s: Tensor;
}

/** A way to go down the noise levels with any denoiser. The step to sigma_s = 0 returns the denoised mean. */
export interface SamplerMethod {
  readonly name: string;
  /** Standard normals that a step uses, each of x's shape. */
  readonly noises: number;
  /** Evaluations of the denoiser in a step. */
  readonly evaluations: number;
  /** Tensors of x's shape that a step hands to the next; zeros before the first. */
  readonly memory: number;
  /**
   * d, [B] or [1], if a step draws from N(m, d^2 I) with a single noise, and m is linear in the single denoised mean that the step
   * asks for. Other samplers have none.
   */
  readonly deviation?: (levels: StepLevels) => Tensor;
  /**
   * Adds the nodes of one step. It first asks for the denoised mean of x_t.
   * @param x_t [B, ...]
   * @returns x_s at level sigma_s, and the memory for the next step
   */
  readonly step: (
    denoiser: Denoiser,
    x_t: Tensor,
    levels: StepLevels,
    noises: readonly Tensor[],
    memory: readonly Tensor[],
  ) => { readonly x_s: Tensor; readonly memory: readonly Tensor[] };
}

/** Options of the samplers; each takes the ones that it knows, and has defaults for them. */
export interface SamplerOptions {
  /** Stochasticity, 0 for none: `ddim`, `euler`, `heun`. */
  readonly eta?: number;
  /** Langevin corrections after each predictor step: `pc`. */
  readonly corrections?: number;
  /** Size of a correction: `pc`. */
  readonly tau?: number;
}

/** sigma_s, or sigma_t where sigma_s is zero: a level at which any denoiser is finite. */
export function positiveLevel({ sigma_t, sigma_s }: StepLevels): Tensor {
  return where(greater(sigma_s, 0), sigma_s, sigma_t);
}

/** Standard deviation of an ancestral step's noise, sigma_s sqrt(1 - sigma_s^2 / sigma_t^2). */
export function ancestralDeviation({ sigma_t, sigma_s }: StepLevels): Tensor {
  return mul(sigma_s, sqrt(sub(1, square(div(sigma_s, sigma_t)))));
}

/** @throws ConfigError unless value is in [0, most] */
export function checkEta(name: string, eta: number, most: number): void {
  if (!(eta >= 0 && eta <= most && Number.isFinite(eta)))
    throw new ConfigError(
      `${name}: eta must be ${most < Number.POSITIVE_INFINITY ? `in [0, ${most}]` : ">= 0"}, got ${eta}.`,
    );
}
