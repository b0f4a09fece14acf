import { float32, type HostArray } from "../core/array.ts";
import { AbortedError } from "../core/errors.ts";
import { batchInCoordinates, kindInCoordinates, toUser } from "../data/observations/coordinates.ts";
import type { ObservationSource } from "../data/observations/observations.ts";
import { type GaussianSampler, gaussianSampler } from "../gaussian/sampler.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { batchesOf, type DrawSource, progressOf, streamsOf } from "./draw-source.ts";
import type { Model } from "./model.ts";

/** Observations together, at most. */
export const EXACT_BATCH = 256;

/**
 * Makes a source of exact posterior draws under the Gaussian start, without diffusion (`gaussianSampler`). If the operator only
 * picks entries, draws are cut off at the model's limits. If it mixes entries they are not: a draw that is cut off would no
 * longer agree with its measurements.
 * @param together observations at a time, at most 256. Default: as many as are drawn for
 */
export function exactPosterior(
  { gaussian, coordinates, limits, network }: Model,
  observations: ObservationSource,
  engine: EngineOptions = {},
  together?: number,
): DrawSource {
  const kind = coordinates ? kindInCoordinates(observations, coordinates) : observations;
  const kept = observations.family.picks ? limits : undefined;
  const samplers = new Map<number, Promise<GaussianSampler>>();
  const samplerOf = async (size: number) => {
    const found = samplers.get(size) ?? gaussianSampler(gaussian, kind, size, engine);
    samplers.set(size, found);
    return await found;
  };
  return {
    shape: network.shape,
    batch: EXACT_BATCH,
    async *draw(range, options) {
      const tell = progressOf(range, options);
      const [start, end] = range;
      const sampler = await samplerOf(Math.min(together ?? end - start, EXACT_BATCH));
      for (const part of batchesOf(range, sampler.batch)) {
        if (options.signal?.aborted) throw new AbortedError("sampling was stopped.");
        const read = await observations.read(...part);
        const batch = coordinates ? batchInCoordinates(read, coordinates) : read;
        const drawn = await sampler.draw(batch, streamsOf(options, part));
        yield { first: part[0], samples: inside(toUser(coordinates, drawn), kept) };
        tell(part[1]);
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const sampler of samplers.values()) await (await sampler).release();
    },
  };
}

function inside(x: HostArray<"float32">, limits: Model["limits"]): HostArray<"float32"> {
  if (!limits) return x;
  const [lo, hi] = limits;
  return float32(
    x.data.map((value) => Math.min(Math.max(value, lo), hi)),
    x.shape,
  );
}
