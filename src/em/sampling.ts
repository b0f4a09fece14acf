import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import type { DrawRequest, Draws, Sampler } from "../diffusion/sample.ts";
import type { DrawStatus } from "../diffusion/solver-status.ts";
import type { Watch } from "./events.ts";
import type { GaussianSampler } from "./gaussian-draws.ts";
import { type Model, samplingMean } from "./model.ts";
import { conditionArrays } from "./posterior.ts";

/** What a run of a sampler over many samples needs besides the sampler. */
export interface SamplingJob extends Watch {
  readonly model: Model;
  /** Noise levels, see `noiseLevels`. */
  readonly levels: readonly number[];
  /** The random stream of sample `index`. */
  readonly stream: (index: number) => Rng;
  /** For progress. */
  readonly stage: { readonly name: string; readonly iteration: number; readonly iterations: number };
}

/** What a run of a posterior sampler needs besides the sampler. */
export interface PosteriorJob extends SamplingJob {
  /** Draws to begin at: noise is added to them up to the first level, and not to the mean. Default: none. */
  readonly begin?: GaussianSampler | undefined;
}

/** Receives a batch of samples [n, ...shape], the number of the first, and how the solvers behind them fared. */
export type Consume = (
  samples: HostArray<"float32">,
  first: number,
  status?: DrawStatus,
) => Promise<void> | void;

/** Draws `count` prior samples and hands them on batch by batch, [n, ...shape]. */
export async function drawPrior(
  sampler: Sampler,
  count: number,
  job: SamplingJob,
  consume: Consume,
): Promise<void> {
  for (let first = 0; first < count; first += sampler.batch) {
    const end = Math.min(first + sampler.batch, count);
    const request = { streams: streamsOf(job, first, end), mean: samplingMean(job.model) };
    const { samples, status } = await drawBatch(sampler, job, request, first, count);
    await consume(samples, first, status);
  }
}

/**
 * Draws a posterior sample for each observation in [start, end) and hands them on batch by batch.
 * Progress counts from 0 to end - start.
 */
export async function drawPosterior(
  sampler: Sampler,
  observations: Observations,
  [start, end]: readonly [number, number],
  job: PosteriorJob,
  consume: Consume,
): Promise<void> {
  for (let first = start; first < end; first += sampler.batch) {
    const stop = Math.min(first + sampler.batch, end);
    const batch = await observations.read(first, stop);
    const streams = streamsOf(job, first, stop);
    const mean = job.begin
      ? await job.begin.draw(
          batch,
          streams.map((stream) => stream.split("begin")),
        )
      : samplingMean(job.model);
    const request = { streams, mean, conditions: conditionArrays(batch) };
    const { samples, status } = await drawBatch(sampler, job, request, first - start, end - start);
    await consume(samples, first, status);
  }
}

function streamsOf(job: SamplingJob, first: number, end: number): Rng[] {
  return Array.from({ length: end - first }, (_, i) => job.stream(first + i));
}

/** @param first samples before those of the request, of `total`, for progress */
async function drawBatch(
  sampler: Sampler,
  job: SamplingJob,
  request: Pick<DrawRequest, "streams" | "mean" | "conditions">,
  first: number,
  total: number,
): Promise<Draws> {
  const { name, iteration, iterations } = job.stage;
  const steps = job.levels.length - 1;
  return await sampler.draw({
    ...request,
    levels: job.levels,
    ...(job.signal && { signal: job.signal }),
    onStep: (step) => {
      const done = first + (request.streams.length * step) / steps;
      job.onEvent?.({ stage: name, iteration, iterations, done, total, unit: "images" });
    },
  });
}

/** Gathers batches into one array of known length. */
export function collector(count: number, shape: Shape) {
  const size = sizeOf(shape);
  const all = float32(new Float32Array(count * size), [count, ...shape]);
  return {
    all,
    add: (samples: HostArray<"float32">, first: number) => all.data.set(samples.data, first * size),
  };
}
