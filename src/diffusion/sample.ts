import { float32, type HostArray } from "../core/array.ts";
import { AbortedError, NumericalError, ShapeError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { input, type Tensor } from "../graph/index.ts";
import { type Arrays, compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { Denoiser } from "./denoiser.ts";
import { SAMPLERS, type SamplerName } from "./samplers.ts";

/** What a sampler program is compiled from. */
export interface SamplerSpec {
  readonly sampler: SamplerName;
  /** Shape of one sample. */
  readonly shape: Shape;
  /** Samples computed together. */
  readonly batch: number;
  /** Shapes of what the denoiser needs besides x_t, without the batch: observations and operators' data. */
  readonly conditions?: Readonly<Record<string, Shape>>;
  /** The denoiser, given the conditions as tensors [B, ...]. */
  readonly denoiser: (conditions: Readonly<Record<string, Tensor>>) => Denoiser;
}

/** One batch of samples to draw; fewer than the compiled batch are padded and cut. */
export interface DrawRequest {
  /** One random stream per sample: a sample depends on its own stream, not on its neighbours. */
  readonly streams: readonly Rng[];
  /** Noise levels from the largest to zero, see `noiseLevels`. */
  readonly levels: readonly number[];
  /** Mean of the start, x_1 = mean + sigma_1 z, of one sample's size. Default 0. */
  readonly mean?: HostArray<"float32">;
  /** One row per sample. */
  readonly conditions?: Readonly<Record<string, HostArray<"float32">>>;
  readonly signal?: AbortSignal;
  /** Called after each step. */
  readonly onStep?: () => void;
}

/** A sampler compiled for one denoiser and batch size. */
export class Sampler {
  readonly #program: Program;
  readonly #spec: SamplerSpec;

  /** Use `compileSampler`. */
  constructor(program: Program, spec: SamplerSpec) {
    this.#program = program;
    this.#spec = spec;
  }

  get batch(): number {
    return this.#spec.batch;
  }

  /**
   * Draws one sample per stream.
   * @returns [n, ...shape]
   * @throws NumericalError if a sample is not finite, AbortedError if stopped
   * @throws ShapeError if there are more streams than the batch holds, or not one row of each condition per stream
   */
  async draw({
    streams,
    levels,
    mean,
    conditions = {},
    signal,
    onStep,
  }: DrawRequest): Promise<HostArray<"float32">> {
    const { batch, shape, sampler } = this.#spec;
    const size = sizeOf(shape);
    checkRequest(streams.length, batch, conditions);
    const padded: Arrays = Object.fromEntries(
      Object.entries(conditions).map(([name, rows]) => [name, padRows(rows, batch)]),
    );
    let x = float32(new Float32Array(batch * size), [batch, ...shape]);
    let next = float32(new Float32Array(batch * size), x.shape);
    const noise = float32(new Float32Array(batch * size), x.shape);
    fillRows(streams, noise.data, size);
    for (let i = 0; i < x.data.length; i++)
      x.data[i] = (mean?.data[i % size] ?? 0) + levels[0]! * noise.data[i]!;
    for (let k = 0; k + 1 < levels.length; k++) {
      if (signal?.aborted) throw new AbortedError("sampling was stopped.");
      const [sigma, sigmaNext] = [levels[k]!, levels[k + 1]!];
      if (SAMPLERS[sampler].stochastic && sigmaNext > 0) fillRows(streams, noise.data, size);
      const levelFeeds = { sigma: float32([sigma]), sigmaNext: float32([sigmaNext]) };
      await this.#program.run({ x, noise, ...levelFeeds, ...padded }, { next });
      [x, next] = [next, x];
      onStep?.();
    }
    const drawn = x.data.subarray(0, streams.length * size);
    const bad = drawn.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new NumericalError(
        `sampling: sample ${Math.floor(bad / size)} of the batch is not finite. The denoiser diverges at these noise levels: train longer or lower the learning rate.`,
      );
    return float32(drawn, [streams.length, ...shape]);
  }

  async release(): Promise<void> {
    await this.#program.release();
  }
}

/** Compiles one step of a sampler; its noise levels are inputs, so any schedule runs on it. */
export async function compileSampler(spec: SamplerSpec, options: EngineOptions = {}): Promise<Sampler> {
  const { sampler, shape, batch } = spec;
  const x = input([batch, ...shape]);
  const noise = input(x.shape);
  const sigma = input([1]);
  const sigmaNext = input([1]);
  const conditions = Object.fromEntries(
    Object.entries(spec.conditions ?? {}).map(([name, one]) => [name, input([batch, ...one])]),
  );
  const next = SAMPLERS[sampler].step(spec.denoiser(conditions), x, sigma, sigmaNext, noise);
  const inputs = { x, noise, sigma, sigmaNext, ...conditions };
  return new Sampler(await compile({ inputs, outputs: { next } }, options), spec);
}

function checkRequest(count: number, batch: number, conditions: Arrays): void {
  if (count < 1 || count > batch)
    throw new ShapeError(`sampling: 1 to ${batch} streams expected, got ${count}. Draw in several batches.`);
  for (const [name, { shape }] of Object.entries(conditions))
    if (shape[0] !== count)
      throw new ShapeError(`sampling: ${name} must have one row per stream, ${count}, got ${shape[0]}.`);
}

/** One row of standard normals per stream; rows without a stream keep what they hold. */
function fillRows(streams: readonly Rng[], out: Float32Array, size: number): void {
  for (const [row, stream] of streams.entries())
    stream.fillNormal(out.subarray(row * size, (row + 1) * size));
}

/** Repeats the first row up to `batch` rows, so that padding is ordinary data. */
function padRows(array: HostArray<"float32">, batch: number): HostArray<"float32"> {
  const [count, ...shape] = array.shape as [number, ...number[]];
  if (count === batch) return array;
  const size = sizeOf(shape);
  const out = new Float32Array(batch * size);
  out.set(array.data);
  for (let row = count; row < batch; row++) out.set(array.data.subarray(0, size), row * size);
  return float32(out, [batch, ...shape]);
}
