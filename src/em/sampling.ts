import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { batchInCoordinates, toUser } from "../data/coordinates.ts";
import { conditionArrays } from "../data/measurement.ts";
import type { ObservationBatch, Observations } from "../data/observations.ts";
import { drawGaussian } from "../diffusion/gaussian.ts";
import type { DrawRequest, Draws, Sampler } from "../diffusion/sample.ts";
import type { DrawStatus } from "../diffusion/solver-status.ts";
import { drawInBatches, type GaussianSampler } from "../gaussian/sampler.ts";
import type { Watch } from "./events.ts";
import type { Model } from "./model.ts";

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

/** Draws `count` prior samples and hands them on batch by batch, [n, ...shape], in the user's units. */
export async function drawPrior(
  sampler: Sampler,
  count: number,
  job: SamplingJob,
  consume: Consume,
): Promise<void> {
  for (let first = 0; first < count; first += sampler.batch) {
    const end = Math.min(first + sampler.batch, count);
    const streams = streamsOf(job, first, end);
    const request = { streams, mean: priorStart(job.model, streams) };
    const { samples, status } = await drawBatch(sampler, job, request, first, count);
    await consume(toUser(job.model.coordinates, samples), first, status);
  }
}

/**
 * Draws a posterior sample for each observation in [start, end) and hands them on batch by batch, in the user's units.
 * Progress counts from 0 to end - start.
 */
export async function drawPosterior(
  sampler: Sampler,
  observations: Pick<Observations, "read">,
  [start, end]: readonly [number, number],
  job: PosteriorJob,
  consume: Consume,
): Promise<void> {
  const { coordinates } = job.model;
  for (let first = start; first < end; first += sampler.batch) {
    const stop = Math.min(first + sampler.batch, end);
    const read = await observations.read(first, stop);
    const batch = coordinates ? batchInCoordinates(read, coordinates) : read;
    const streams = streamsOf(job, first, stop);
    const mean = job.begin
      ? await beginAt(job.begin, batch, streams, sampler.particles)
      : job.model.gaussian.mean;
    const request = { streams, mean, conditions: conditionArrays(batch) };
    const { samples, status } = await drawBatch(sampler, job, request, first - start, end - start);
    await consume(toUser(coordinates, samples), first, status);
  }
}

/** Draws of the Gaussian start's posteriors, `each` for every stream, in as many batches as its sampler takes. */
async function beginAt(
  begin: GaussianSampler,
  { y, data, noiseVariance }: ObservationBatch,
  streams: readonly Rng[],
  each: number,
): Promise<HostArray<"float32">> {
  const repeated = (array: HostArray<"float32">) => repeatRows(array, each);
  return await drawInBatches(
    begin,
    {
      y: repeated(y),
      data: Object.fromEntries(Object.entries(data).map(([name, array]) => [name, repeated(array)])),
      ...(noiseVariance && { noiseVariance: repeated(noiseVariance) }),
    },
    streams.flatMap((stream) => {
      const first = stream.split("begin");
      return [first, ...Array.from({ length: each - 1 }, (_, p) => first.split(p + 1))];
    }),
  );
}

/** Each row several times, one after the other. */
function repeatRows(array: HostArray<"float32">, times: number): HostArray<"float32"> {
  if (times === 1) return array;
  const [n, ...shape] = array.shape as [number, ...number[]];
  const size = sizeOf(shape);
  const out = new Float32Array(n * times * size);
  for (let row = 0; row < n * times; row++) {
    const from = Math.floor(row / times) * size;
    out.set(array.data.subarray(from, from + size), row * size);
  }
  return float32(out, [n * times, ...shape]);
}

/** A draw of the Gaussian start for each stream, [n, ...shape]: noise is added to it up to the first level. */
function priorStart({ gaussian, base, network }: Model, streams: readonly Rng[]): HostArray<"float32"> {
  if (base === "normal") return gaussian.mean;
  const N = gaussian.mean.data.length;
  const out = new Float32Array(streams.length * N);
  for (const [i, stream] of streams.entries()) out.set(drawGaussian(gaussian, stream.split("begin")), i * N);
  return float32(out, [streams.length, ...network.shape]);
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
      job.onEvent?.({ stage: name, iteration, iterations, done, total, unit: "draws" });
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
