import { float32, type HostArray, rows, zeros } from "../core/array.ts";
import { AbortedError, NumericalError, ShapeError } from "../core/errors.ts";
import { padTree } from "../core/pad.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { flatten, type Tree } from "../core/tree.ts";
import { type Arrays, compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { particleProgram } from "./particle-program.ts";
import {
  type ParticleSpec,
  type SamplerProgram,
  type SamplerSpec,
  samplerProgram,
} from "./sampler-program.ts";
import { checkLevels } from "./schedule.ts";
import type { DrawStatus } from "./solver-status.ts";

export type { Guidance, ParticleSpec, SamplerSpec } from "./sampler-program.ts";

/** A request for one batch of samples; it may ask for fewer than the compiled batch. */
export interface DrawRequest {
  /** One random stream per sample: a sample depends on its own stream, not on its neighbours. */
  readonly streams: readonly Rng[];
  /** Noise levels from the largest to zero, see `noiseLevels`. */
  readonly levels: readonly number[];
  /**
   * Mean of the start, x_1 = mean + sigma_1 z: one for all, of the size of a sample, or one for each, [n, ...shape]. Samples as
   * means are noised and denoised again. Default 0.
   */
  readonly mean?: HostArray<"float32">;
  /** One row per sample, under the names that the sampler was compiled for. */
  readonly conditions?: Tree<HostArray<"float32">>;
  readonly signal?: AbortSignal;
  /** Called after each run of the engine with the number of steps done. */
  readonly onStep?: (done: number) => void;
}

/** The samples of a request. */
export interface Draws {
  /** [n, ...shape] */
  readonly samples: HostArray<"float32">;
  /** Status of the solvers over all steps, if the denoiser reports one. */
  readonly status?: DrawStatus;
  /** The sums of the spec's `tally`, [n]. */
  readonly tally?: HostArray<"float32">;
}

/** What a sampler knows of its graph. It does not keep the graph itself, which may hold large weights. */
interface SamplerLayout
  extends Pick<SamplerProgram, "turns" | "observed">,
    Pick<SamplerSpec, "batch" | "shape"> {
  /** Rows of each sample: its particles. */
  readonly particles: number;
  readonly noises: number;
  /** Shapes of what one run hands to the next, by name. */
  readonly carried: Readonly<Record<string, Shape>>;
}

/** The program of the steps from levels of at least `from` on. */
interface Stage {
  readonly from: number;
  readonly program: Program<SamplerProgram["outputs"]>;
}

/** A sampler compiled for one denoiser and batch size. */
export class Sampler {
  readonly #stages: readonly Stage[];
  readonly #layout: SamplerLayout;

  /** Use `compileSampler`. @param stages by falling levels, the last from 0 */
  constructor(stages: readonly Stage[], layout: SamplerLayout) {
    this.#stages = stages;
    this.#layout = layout;
  }

  get batch(): number {
    return this.#layout.batch;
  }

  /** Rows that each sample begins with. */
  get particles(): number {
    return this.#layout.particles;
  }

  /**
   * Draws one sample per stream.
   * @throws NumericalError if a sample is not finite, AbortedError if stopped
   * @throws ShapeError if there are more streams than the batch holds, or not one row of each condition per stream
   * @throws ConfigError unless the levels fall
   */
  async draw({ streams, levels, mean, conditions = {}, signal, onStep }: DrawRequest): Promise<Draws> {
    const { batch, shape, turns, noises, particles } = this.#layout;
    const one = sizeOf(shape);
    const size = particles * one;
    const n = streams.length;
    checkRequest(n, batch, conditions);
    checkMean(mean, n, size, one);
    checkLevels(levels, "sampling");
    const padded = padTree(conditions, batch);
    const noise = float32(new Float32Array(turns * noises * batch * size), [
      ...[turns, noises, batch * particles],
      ...shape,
    ]);
    const choices = float32(new Float32Array(turns * batch), [turns, batch]);
    const choosers = streams.map((stream) => stream.split("choices"));
    const around = float32(new Float32Array(turns * 3), [turns, 3]);
    let current = this.#buffers();
    let next = this.#buffers();
    start(streams, current.x!, size, levels[0]!, mean);
    for (let k = 0, count = 0; k + 1 < levels.length; k += count) {
      if (signal?.aborted) throw new AbortedError("sampling was stopped.");
      const stage = this.#stages.find(({ from }) => levels[k]! >= from)!;
      const rest = levels.slice(k, -1);
      const own = rest.findIndex((level) => level < stage.from);
      count = Math.min(turns, own < 0 ? rest.length : own);
      for (let turn = 0; turn < count; turn++) {
        const at = k + turn;
        around.data.set([levels[Math.max(at - 1, 0)]!, levels[at]!, levels[at + 1]!], 3 * turn);
      }
      fillNoise(streams, noise, size, count);
      for (const [row, chooser] of choosers.entries())
        for (let turn = 0; turn < count; turn++) choices.data[turn * batch + row] = chooser.uniform();
      await stage.program.run(
        {
          now: current,
          conditions: padded,
          levels: around,
          ...(noises > 0 && { noise }),
          ...(turns > 1 && { count: scalarCount(count) }),
          ...(particles > 1 && { choices }),
        },
        { next },
      );
      [current, next] = [next, current];
      onStep?.(k + count);
    }
    const samples = firstRows(current.x!, n, particles, shape);
    checkFinite(samples, one);
    if (current.logWeight) checkFinite(current.logWeight, particles);
    return {
      samples,
      ...(this.#layout.observed && { status: statusOf(current, n) }),
      ...(current.tally && { tally: rows(current.tally, 0, n) }),
    };
  }

  /** Frees the memory of the engine. */
  async release(): Promise<void> {
    for (const { program } of this.#stages) await program.release();
  }

  #buffers(): Record<string, HostArray<"float32">> {
    return Object.fromEntries(
      Object.entries(this.#layout.carried).map(([name, shape]) => [name, zeros("float32", shape)]),
    );
  }
}

/** Compiles a sampler whose samples are each chosen among several particles, see `particleProgram`. */
export async function compileParticleSampler<Conditions extends object>(
  spec: ParticleSpec<Conditions>,
  options: EngineOptions = {},
): Promise<Sampler> {
  const { batch, shape, particles } = spec;
  // The program is a loop, also of one step.
  const made = particleProgram({ ...spec, turns: Math.max(spec.turns ?? 1, 2) });
  const stages = [{ from: 0, program: await compile(made, options) }];
  return new Sampler(stages, layoutOf(made, { batch, shape, particles, observed: false }));
}

function layoutOf(
  { method, turns, carried }: SamplerProgram,
  rest: Pick<SamplerLayout, "batch" | "shape" | "particles" | "observed">,
): SamplerLayout {
  const shapes = Object.entries(carried).map(([name, { shape }]) => [name, shape] as const);
  return { ...rest, turns, noises: method.noises, carried: Object.fromEntries(shapes) };
}

/** Compiles the steps of a sampler. Noise levels are inputs, so it runs any schedule. */
export async function compileSampler<Conditions extends object>(
  spec: SamplerSpec<Conditions>,
  options: EngineOptions = {},
): Promise<Sampler> {
  const { batch, shape, below } = spec;
  const program = samplerProgram(spec);
  const stages = [{ from: below?.sigma ?? 0, program: await compile(program, options) }];
  let { observed } = program;
  if (below) {
    const rest = samplerProgram({ ...spec, denoiser: below.denoiser });
    stages.push({ from: 0, program: await compile(rest, options) });
    observed ||= rest.observed;
  }
  return new Sampler(stages, layoutOf(program, { batch, shape, particles: 1, observed }));
}

const scalarCount = (count: number): HostArray<"int64"> => ({
  dtype: "int64",
  shape: [],
  data: BigInt64Array.of(BigInt(count)),
});

function checkRequest(count: number, batch: number, conditions: Arrays): void {
  if (count < 1 || count > batch)
    throw new ShapeError(`sampling: 1 to ${batch} streams expected, got ${count}. Draw in several batches.`);
  for (const [name, { shape }] of Object.entries(flatten<HostArray>(conditions)))
    if (shape[0] !== count)
      throw new ShapeError(`sampling: ${name} must have one row per stream, ${count}, got ${shape[0]}.`);
}

/** @param size numbers of a sample with its particles, @param one of a sample */
function checkMean(mean: HostArray | undefined, n: number, size: number, one: number): void {
  if (mean && mean.data.length !== one && mean.data.length !== n * size)
    throw new ShapeError(
      `sampling: mean must have the size of one sample, ${one}, or of ${(n * size) / one}, got ${mean.data.length}.`,
    );
}

function checkFinite({ data }: HostArray<"float32">, size: number): void {
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new NumericalError(
      `sampling: sample ${Math.floor(bad / size)} of the batch is not finite. The denoiser diverges at these noise levels: train longer or lower the learning rate.`,
    );
}

/** x_1 = mean + sigma_1 z; rows without a stream start at a mean. @param size numbers of each stream */
function start(
  streams: readonly Rng[],
  { data }: HostArray<"float32">,
  size: number,
  sigma: number,
  mean: HostArray<"float32"> | undefined,
): void {
  for (const [row, stream] of streams.entries())
    stream.fillNormal(data.subarray(row * size, (row + 1) * size));
  const means = mean?.data ?? new Float32Array(size);
  for (let i = 0; i < data.length; i++) data[i] = means[i % means.length]! + sigma * data[i]!;
}

/** The noise of `count` steps, [turns, noises, B, ...]: each stream's own values, step after step, in its own rows. */
function fillNoise(
  streams: readonly Rng[],
  { data, shape }: HostArray<"float32">,
  size: number,
  count: number,
): void {
  const noises = shape[1]!;
  const batch = sizeOf(shape.slice(2)) / size;
  for (const [row, stream] of streams.entries())
    for (let k = 0; k < count * noises; k++) {
      const from = (k * batch + row) * size;
      stream.fillNormal(data.subarray(from, from + size));
    }
}

/** The first of each sample's particles, [n, ...shape]: all are the same when a draw is done. */
function firstRows({ data }: HostArray<"float32">, n: number, particles: number, shape: Shape) {
  const size = sizeOf(shape);
  if (particles === 1) return float32(data.subarray(0, n * size), [n, ...shape]);
  const out = new Float32Array(n * size);
  for (let i = 0; i < n; i++) {
    const from = i * particles * size;
    out.set(data.subarray(from, from + size), i * size);
  }
  return float32(out, [n, ...shape]);
}

function statusOf(carried: Record<string, HostArray<"float32">>, n: number): DrawStatus {
  const first = (name: keyof DrawStatus) => float32(carried[name]!.data.subarray(0, n), [n]);
  return { residual: first("residual"), steps: first("steps"), breakdown: first("breakdown") };
}
