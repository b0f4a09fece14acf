import type { Shape } from "../core/shape.ts";
import type { SamplerMethod, SamplerOptions } from "../diffusion/samplers/method.ts";
import { SAMPLERS, type SamplerName } from "../diffusion/samplers.ts";

/** A sampler by name with its options, and how many samples it computes together. */
export interface SamplerChoice extends Omit<SamplerOptions, "eta"> {
  /** A name, or a method of one's own. */
  readonly sampler: SamplerName | SamplerMethod;
  /** null: the sampler's own default. */
  readonly eta?: number | null;
  readonly batch: number;
}

/**
 * Steps per run of the engine. Vectors have an MLP, whose step takes about as long as the way into the engine: they
 * run many at once. A step of a U-Net is long enough to show progress and to be interrupted after.
 */
const TURNS = { vectors: 64, images: 1 } as const;

/** The sampler of a choice. @throws ConfigError if an option is not for it */
export function samplerMethod({ sampler, eta, ...options }: SamplerChoice): SamplerMethod {
  if (typeof sampler !== "string") return sampler;
  return SAMPLERS[sampler]({ ...options, ...(typeof eta === "number" && { eta }) });
}

/** What a sampler of latents of a shape is compiled for. */
export function samplerSpec(choice: SamplerChoice, shape: Shape) {
  return {
    sampler: samplerMethod(choice),
    batch: choice.batch,
    shape,
    turns: shape.length === 1 ? TURNS.vectors : TURNS.images,
  };
}
