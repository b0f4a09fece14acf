import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { drawGaussian } from "../diffusion/gaussian.ts";
import { compileSampler } from "../diffusion/sample.ts";
import { noiseLevels } from "../diffusion/schedule.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { drawByDiffusion } from "./by-diffusion.ts";
import { type SamplerChoice, samplerSpec } from "./choice.ts";
import type { DrawSource } from "./draw-source.ts";
import { limited, type Model, modelDenoiser } from "./model.ts";

/** The options of samples of a prior. */
export interface PriorChoice extends SamplerChoice {
  /** Steps of the sampler. */
  readonly steps: number;
}

/** Compiles samples of the prior q(x) [Rozet24, equation 3]: the network's or, before there is one, the Gaussian's. */
export async function compilePrior(
  model: Model,
  { steps, ...choice }: PriorChoice,
  engine: EngineOptions = {},
): Promise<DrawSource> {
  const denoiser = limited(modelDenoiser(model), model);
  const { shape } = model.network;
  const sampler = await compileSampler({ ...samplerSpec(choice, shape), denoiser: () => denoiser }, engine);
  const levels = noiseLevels(model.schedule, steps);
  return {
    shape,
    batch: sampler.batch,
    draw: (range, options) =>
      drawByDiffusion(sampler, options.levels ?? levels, model.coordinates, range, options, (_, streams) => ({
        mean: beginning(model, streams),
      })),
    [Symbol.asyncDispose]: () => sampler.release(),
  };
}

/** A draw of the Gaussian start for each stream, [n, ...shape]: noise is added to it up to the first level. */
function beginning({ gaussian, base, network }: Model, streams: readonly Rng[]): HostArray<"float32"> {
  if (base === "normal") return gaussian.mean;
  const N = gaussian.mean.data.length;
  const out = new Float32Array(streams.length * N);
  for (const [i, stream] of streams.entries()) out.set(drawGaussian(gaussian, stream.split("begin")), i * N);
  return float32(out, [streams.length, ...network.shape]);
}
