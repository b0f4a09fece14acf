/** What a cell asks of the library: a run with its defaults, samples of its priors and posterior draws. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { float32, type HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { Observations } from "../../src/data/observations.ts";
import type { Sampler } from "../../src/diffusion/sample.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import { parseSettings } from "../../src/em/config/settings.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../../src/em/config.ts";
import type { Watch } from "../../src/em/events.ts";
import { type Model, posteriorSampler, priorSampler } from "../../src/em/model.ts";
import { bearable } from "../../src/em/plan/bearable.ts";
import { planRun } from "../../src/em/plan/plan.ts";
import { type PosteriorStart, posteriorStart } from "../../src/em/posterior-start.ts";
import { RunFolder } from "../../src/em/run-folder.ts";
import { collector, drawPosterior, drawPrior } from "../../src/em/sampling.ts";
import { train } from "../../src/em/train.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";

/** How a run departs from its defaults. */
export interface LearnOptions extends Watch {
  readonly seed: number;
  /** Fields of the configuration, as "path=value". */
  readonly set: readonly string[];
  /** How long a run may take here, as `diem train --minutes`; undefined for the defaults, which depend on no clock. */
  readonly minutes: number | undefined;
  readonly engine: EngineOptions;
}

/** Trains as `diem train` does, or goes on with the run in the folder. */
export async function learn(
  observations: Observations,
  folder: string,
  options: LearnOptions,
): Promise<RunFolder> {
  const { engine, onEvent, onWarning, signal } = options;
  const resume = existsSync(join(folder, "run.json"));
  const config = resume ? (await RunFolder.open(folder)).info.config : await configOf(observations, options);
  return await train(observations, config, { onEvent, onWarning, signal, out: folder, resume, engine });
}

async function configOf(
  observations: Observations,
  { seed, set, minutes, engine }: LearnOptions,
): Promise<TrainConfig> {
  const { header, count } = observations;
  const defaults = defaultConfig(header.latentShape, count, sizeOf(header.observationShape));
  const config = mergeConfig(mergeConfig(defaults, parseSettings(set), "--set"), { seed });
  const kept = new Set(set.map((setting) => setting.split("=")[0]!));
  if (minutes === undefined) return bearable(config, observations, kept);
  return (await planRun(observations, config, minutes, kept, { engine })).config;
}

/** n samples of a prior as `diem sample` draws them, [n, ...latent]. */
export async function samplePrior(
  model: Model,
  config: TrainConfig,
  n: number,
  rng: Rng,
  engine: EngineOptions,
): Promise<HostArray<"float32">> {
  const sampler = await priorSampler(
    model,
    { ...config.eStep, batch: Math.min(config.eStep.batch, n) },
    engine,
  );
  const { all, add } = collector(n, model.network.shape);
  const job = {
    model,
    levels: noiseLevels(model.schedule, config.figures.priorSteps),
    stream: (index: number) => rng.split(index),
    stage: { name: "Prior samples", iteration: 0, iterations: 0 },
  };
  try {
    await drawPrior(sampler, n, job, add);
  } finally {
    await sampler.release();
  }
  return all;
}

/** What draws posteriors. Release it when done. */
export interface PosteriorSource {
  readonly model: Model;
  readonly sampler: Sampler;
  readonly begun: PosteriorStart;
  release(): Promise<void>;
}

/** Posteriors under a model, drawn as the E-step and `diem reconstruct` draw them. */
export async function posteriorSource(
  model: Model,
  config: TrainConfig,
  observations: Observations,
  engine: EngineOptions,
): Promise<PosteriorSource> {
  const sampler = await posteriorSampler(model, observations, config.eStep, engine);
  return await sourceOf(model, sampler, config, observations, engine);
}

/** A source with a sampler of one's own. */
export async function sourceOf(
  model: Model,
  sampler: Sampler,
  config: TrainConfig,
  observations: Observations,
  engine: EngineOptions,
): Promise<PosteriorSource> {
  const begun = await posteriorStart(model, observations, config.eStep, engine);
  const release = async () => {
    await sampler.release();
    await begun.release();
  };
  return { model, sampler, begun, release };
}

/** S posterior draws for each of the first J observations, [J, S, ...latent]. */
export async function drawPosteriors(
  { model, sampler, begun }: PosteriorSource,
  observations: Observations,
  [J, S]: readonly [number, number],
  rng: Rng,
): Promise<HostArray<"float32">> {
  const shape = observations.header.latentShape;
  const size = sizeOf(shape);
  const all = new Float32Array(J * S * size);
  for (let s = 0; s < S; s++) {
    const { all: drawn, add } = collector(J, shape);
    const stream = (index: number) => rng.split(index, s);
    const stage = { name: "Posterior samples", iteration: 0, iterations: 0 };
    await drawPosterior(sampler, observations, [0, J], { model, ...begun, stream, stage }, add);
    for (let i = 0; i < J; i++) all.set(drawn.data.subarray(i * size, (i + 1) * size), (i * S + s) * size);
  }
  return float32(all, [J, S, ...shape]);
}
