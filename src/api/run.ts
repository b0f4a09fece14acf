import type { HostArray } from "../core/array.ts";
import type { Watch } from "../core/events.ts";
import { Rng } from "../core/random.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import type { OwnParts } from "../em/own-parts.ts";
import { RunFolder } from "../em/run/run-folder.ts";
import type { RunInfo } from "../em/run/run-info.ts";
import { compileGuided, type DrawChoice } from "../inference/posterior.ts";
import { compilePrior, type PriorChoice } from "../inference/prior.ts";
import { drawSeveral } from "../inference/several.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type Exported, type ExportOptions, exportRun } from "./export.ts";

/** Options of samples and of posterior draws. */
interface RunDrawOptions extends Watch {
  /** Seed of the draws; the same seed gives the same draws. Default 0. */
  readonly seed?: number | undefined;
  /** The iteration whose prior draws; 0 is the start. Default: the run's result, which held-out observations chose. */
  readonly iteration?: number | undefined;
  readonly engine?: EngineOptions | undefined;
}

/** Options of `LearnedRun.sample`. */
export interface SampleOptions extends RunDrawOptions, Partial<PriorChoice> {
  /** Number of samples. */
  readonly count: number;
}

/** Options of `LearnedRun.reconstruct`. */
export interface ReconstructOptions extends RunDrawOptions, Partial<DrawChoice> {
  /** Draws for each observation. Default 1. */
  readonly samples?: number | undefined;
  /** Number of observations to draw for, from the first on. Default: all. */
  readonly count?: number | undefined;
}

/** A batch of draws in your units, and the index of its first sample or observation. */
export interface RunDraws {
  readonly first: number;
  readonly samples: HostArray<"float32">;
}

/** A run on disk, which samples its prior and draws posteriors. */
export interface LearnedRun {
  /** Its folder. */
  readonly path: string;
  readonly info: RunInfo;
  /** The last iteration whose prior can draw; 0 is the start. */
  readonly iterations: number;
  /** The iteration that is the run's result. */
  readonly result: number;
  /** Samples of the prior, batch by batch, [n, ...latent]; the same as those of `diem sample`. */
  sample(options: SampleOptions): AsyncGenerator<RunDraws, void>;
  /** Posterior draws for observations, batch by batch, [n, samples, ...latent]; the same as those of `diem reconstruct`. */
  reconstruct(observations: ObservationSet, options?: ReconstructOptions): AsyncGenerator<RunDraws, void>;
  /** Writes the prior, a posterior of it, or a whole sampler as an ONNX file that any runtime executes. */
  export(options: ExportOptions): Promise<Exported>;
}

/**
 * Opens the folder of a run.
 * @param own parts of the run that are code, if it has any
 * @throws DataError if there is no run, or its start is not complete; ConfigError if `own` are not the parts of the run
 */
export async function openRun(path: string, own: OwnParts = {}): Promise<LearnedRun> {
  const folder = await RunFolder.open(path, own);
  const result = await folder.bestIteration();
  const { config } = folder.info;
  return {
    path,
    info: folder.info,
    iterations: await folder.lastIteration(),
    result,
    async *sample({ count, seed = 0, iteration = result, engine, onEvent, onWarning, signal, ...changes }) {
      const model = await folder.readModel(iteration);
      const { figures } = config;
      const choice = { ...folder.eStep, steps: figures.priorSteps, ...changes };
      const batch = Math.min(choice.batch, count);
      await using source = await compilePrior(model, { ...choice, batch }, engine);
      const rng = new Rng(seed);
      const stream = (index: number) => rng.split("sample", index);
      const stage = { name: "Prior samples", iteration, iterations: iteration };
      for await (const { first, samples } of source.draw([0, count], {
        stream,
        stage,
        onEvent,
        onWarning,
        signal,
      }))
        yield { first, samples };
    },
    async *reconstruct(stated, options = {}) {
      const {
        seed = 0,
        iteration = result,
        engine,
        onEvent,
        onWarning,
        signal,
        samples = 1,
        ...changes
      } = options;
      const observations = await folder.withNoise(stated, iteration);
      const count = Math.min(changes.count ?? observations.count, observations.count);
      const model = await folder.readModel(iteration);
      const choice = { ...folder.eStep, ...changes };
      const batch = Math.min(choice.batch, count);
      await using source = await compileGuided(model, observations, { ...choice, batch }, engine);
      const rng = new Rng(seed);
      const stage = { name: "Posterior samples", iteration, iterations: iteration };
      const stream = (index: number, s: number) => rng.split("reconstruct", index, s);
      yield* drawSeveral(source, [0, count], samples, { stream, stage, onEvent, onWarning, signal });
    },
    export: (options) => exportRun(folder, options),
  };
}
