import type { HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { sizeOf } from "../../core/shape.ts";
import { inCoordinates, toUser } from "../../data/observations/coordinates.ts";
import {
  bindMeasurement,
  type MeasurementInputs,
  measurementShapes,
} from "../../data/observations/measurement.ts";
import type { Observations } from "../../data/observations/observations.ts";
import { SAMPLERS, type SamplerName } from "../../diffusion/samplers.ts";
import type { Schedule } from "../../diffusion/schedule.ts";
import { type DrawSource, drawAll } from "../../inference/draw-source.ts";
import { limited, limitsInside, type Model, modelDenoiser } from "../../inference/model.ts";
import { compileGuided } from "../../inference/posterior.ts";
import { seenEntries } from "../../operators/measured.ts";
import { compileTwisted } from "../../posterior/particles/tds.ts";
import { MAX_MEASUREMENTS } from "../../posterior/particles/twist.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import type { BenchmarkMethod } from "./benchmark-methods.ts";

/** How all methods are run. */
export interface SamplerSettings {
  readonly sampler: SamplerName;
  /** Images (particles of "tds") computed together. */
  readonly batch: number;
  /** Particles of "tds" for each image. */
  readonly particles: number;
}

/** One draw for each observation. */
export interface BenchmarkRequest {
  readonly levels: readonly number[];
  readonly stream: (index: number) => Rng;
  readonly signal?: AbortSignal | undefined;
  /** Told the share that is drawn, in [0, 1]. */
  readonly onShare: (share: number) => void;
}

/** A method ready to be measured on one task. */
export interface BenchmarkSampler {
  readonly schedule: Schedule;
  /** Steps that a draw takes: T and the last to zero. */
  readonly steps: (T: number) => number;
  /** Of the network, for one draw. */
  readonly cost: (T: number) => { readonly evaluations: number; readonly products: number };
  /** @throws ConfigError if the method refuses the task */
  compile(): Promise<void>;
  /** @returns [n, ...latent] */
  draw(request: BenchmarkRequest): Promise<HostArray<"float32">>;
  release(): Promise<void>;
}

/** The sampler of a method for a task. */
export function benchmarkSampler(
  model: Model,
  { observations, measured }: { readonly observations: Observations; readonly measured: number },
  method: BenchmarkMethod,
  solverSteps: number | undefined,
  settings: SamplerSettings,
  engine: EngineOptions,
): BenchmarkSampler {
  const made = method.choice
    ? guidedSampler(model, observations, method, solverSteps, settings, engine)
    : twistedSampler(model, observations, measured, settings, engine);
  return { schedule: model.schedule, steps: (T) => T + 1, ...made };
}

type Made = Pick<BenchmarkSampler, "cost" | "compile" | "draw" | "release">;

function guidedSampler(
  model: Model,
  observations: Observations,
  { choice, products }: BenchmarkMethod,
  solverSteps: number | undefined,
  { sampler: name, batch }: SamplerSettings,
  engine: EngineOptions,
): Made {
  const { count } = observations;
  const cgSteps = solverSteps ?? 1;
  let source: DrawSource | undefined;
  return {
    cost: (T) => {
      const evaluations = (T + 1) * SAMPLERS[name]().evaluations;
      return { evaluations, products: evaluations * products(cgSteps) };
    },
    compile: async () => {
      // `choice` is there: the caller asked. Steps are those of the levels that a request has.
      const own = { sampler: name, batch, ...choice!, cgSteps, steps: 1, begin: "mean" } as const;
      source = await compileGuided(model, observations, own, engine);
    },
    draw: async ({ levels, stream, signal, onShare }) => {
      const onEvent = ({ done, total }: { done: number; total: number }) => onShare(done / total);
      return await drawAll(source!, [0, count], { levels, stream, signal, onEvent });
    },
    release: async () => await source?.[Symbol.asyncDispose](),
  };
}

/** @param measured entries of an observation that a particle has a product for; those that a mask hides have none */
function twistedSampler(
  model: Model,
  observations: Observations,
  measured: number,
  { sampler: name, batch, particles }: SamplerSettings,
  engine: EngineOptions,
): Made {
  const { header, count } = observations;
  // What `compile` will refuse costs nothing.
  const evaluations = measured > MAX_MEASUREMENTS || name !== "ddpm" ? 0 : particles;
  const seen = ({ data }: MeasurementInputs) => seenEntries(observations.family, data, batch)!;
  const own = inCoordinates(observations, model.coordinates);
  const hides = measured < sizeOf(header.observationShape);
  let sampler: Awaited<ReturnType<typeof compileTwisted>> | undefined;
  return {
    cost: (T) => ({
      evaluations: (T + 1) * evaluations,
      products: (T + 1) * evaluations * measured,
    }),
    compile: async () => {
      sampler = await compileTwisted(
        {
          shape: header.latentShape,
          batch,
          sampler: name,
          conditions: measurementShapes(observations),
          denoiser: limited(modelDenoiser(model), model),
          limits: limitsInside(model),
          measurement: (conditions) => bindMeasurement(own, conditions),
          ...(hides && { visible: { seen, entries: measured } }),
        },
        engine,
      );
    },
    draw: async ({ levels, stream, signal, onShare }) => {
      let done = 0;
      const { samples } = await sampler!.draw({
        streams: Array.from({ length: count }, (_, i) => stream(i)),
        levels,
        particles,
        mean: model.gaussian.mean,
        conditions: { ...(await own.read(0, count)) },
        ...(signal && { signal }),
        onStep: () => onShare(++done / (levels.length - 1)),
      });
      return toUser(model.coordinates, samples);
    },
    release: async () => await sampler?.release(),
  };
}
