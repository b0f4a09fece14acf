/** What a cell asks of the library: a run with its defaults, samples of its priors and posterior draws. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { float32, type HostArray } from "../../src/core/array.ts";
import type { Watch } from "../../src/core/events.ts";
import type { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { Observations } from "../../src/data/observations/observations.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../../src/em/config/config.ts";
import { parseSettings } from "../../src/em/config/settings.ts";
import { bearable } from "../../src/em/plan/bearable.ts";
import { planRun } from "../../src/em/plan/plan.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { type DrawSource, drawAll } from "../../src/inference/draw-source.ts";
import type { Model } from "../../src/inference/model.ts";
import { compilePrior } from "../../src/inference/prior.ts";
import { drawSeveral } from "../../src/inference/several.ts";
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
  const { eStep, figures } = config;
  const choice = { ...eStep, steps: figures.priorSteps, batch: Math.min(eStep.batch, n) };
  await using source = await compilePrior(model, choice, engine);
  return await drawAll(source, [0, n], { stream: (index) => rng.split(index) });
}

/** S posterior draws for each of the first J observations, [J, S, ...latent]. */
export async function drawPosteriors(
  source: DrawSource,
  [J, S]: readonly [number, number],
  rng: Rng,
): Promise<HostArray<"float32">> {
  const size = S * sizeOf(source.shape);
  const all = new Float32Array(J * size);
  const stream = (index: number, s: number) => rng.split(index, s);
  for await (const { first, samples } of drawSeveral(source, [0, J], S, { stream }))
    all.set(samples.data, first * size);
  return float32(all, [J, S, ...source.shape]);
}
