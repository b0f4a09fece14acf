import type { Rng } from "../core/random.ts";
import { type Coordinates, toUser } from "../data/observations/coordinates.ts";
import type { DrawRequest, Sampler } from "../diffusion/sample.ts";
import { batchesOf, type DrawnBatch, type DrawOptions, progressOf, streamsOf } from "./draw-source.ts";

/** What a batch begins at and is conditioned on. */
export type Beginning = Pick<DrawRequest, "mean" | "conditions">;

/** Draws a range by diffusion, batch by batch. @param begin for draws [first, stop) with these streams */
export async function* drawByDiffusion(
  sampler: Sampler,
  levels: readonly number[],
  coordinates: Coordinates | undefined,
  range: readonly [number, number],
  options: DrawOptions,
  begin: (part: readonly [number, number], streams: readonly Rng[]) => Beginning | Promise<Beginning>,
): AsyncGenerator<DrawnBatch, void> {
  const tell = progressOf(range, options);
  const { signal } = options;
  const steps = levels.length - 1;
  for (const part of batchesOf(range, sampler.batch)) {
    const [first, stop] = part;
    const streams = streamsOf(options, part);
    const { samples, status, tally } = await sampler.draw({
      ...(await begin(part, streams)),
      streams,
      levels,
      ...(signal && { signal }),
      onStep: (step) => tell(first + ((stop - first) * step) / steps),
    });
    yield { first, samples: toUser(coordinates, samples), status, gain: tally };
  }
}
