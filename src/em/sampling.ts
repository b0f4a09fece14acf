import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import type { Draws, Sampler } from "../diffusion/sample.ts";
import type { DrawStatus } from "../diffusion/solver-status.ts";
import type { Watch } from "./events.ts";
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
    const { samples, status } = await drawBatch(sampler, job, first, end, count, {});
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
  job: SamplingJob,
  consume: Consume,
): Promise<void> {
  for (let first = start; first < end; first += sampler.batch) {
    const stop = Math.min(first + sampler.batch, end);
    const conditions = conditionArrays(await observations.read(first, stop));
    const shifted = { ...job, stream: (index: number) => job.stream(index + start) };
    const range = [first - start, stop - start, end - start] as const;
    const { samples, status } = await drawBatch(sampler, shifted, ...range, conditions);
    await consume(samples, first, status);
  }
}

async function drawBatch(
  sampler: Sampler,
  job: SamplingJob,
  first: number,
  end: number,
  total: number,
  conditions: Readonly<Record<string, HostArray<"float32">>>,
): Promise<Draws> {
  const { name, iteration, iterations } = job.stage;
  const steps = job.levels.length - 1;
  return await sampler.draw({
    streams: Array.from({ length: end - first }, (_, i) => job.stream(first + i)),
    levels: job.levels,
    mean: samplingMean(job.model),
    conditions,
    ...(job.signal && { signal: job.signal }),
    onStep: (step) => {
      const done = first + ((end - first) * step) / steps;
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
