import { Rng } from "../../core/random.ts";
import { inCoordinates } from "../../data/observations/coordinates.ts";
import { kindsOf, type ObservationSet } from "../../data/observations/observation-set.ts";
import type { Observations } from "../../data/observations/observations.ts";
import { gaussianSampler } from "../../gaussian/sampler.ts";
import { drawAll } from "../../inference/draw-source.ts";
import { posteriorLevels } from "../../inference/levels.ts";
import type { Model } from "../../inference/model.ts";
import { compileGuided } from "../../inference/posterior.ts";
import type { TrainConfig } from "../config/config.ts";
import { observationRange } from "../course.ts";
import { firstGuided } from "../given-prior.ts";
import { drawChoice } from "../own-parts.ts";
import {
  BUDGET_SECONDS,
  type PredictedPart,
  type PredictOptions,
  peakBytes,
  secondsSince,
  unitsWithin,
} from "./part.ts";

/** Times a batch of posterior draws: one sampler step, and then the whole draw or as many steps as the budget allows. */
export async function timeEStep(
  observations: ObservationSet,
  config: TrainConfig,
  model: Model,
  options: PredictOptions,
): Promise<PredictedPart> {
  const { engine = {}, signal, onEvent, budgetSeconds = BUDGET_SECONDS } = options;
  const { em } = config;
  const eStep = drawChoice(config.eStep, options);
  const batch = Math.min(eStep.batch, observations.count);
  const began = performance.now();
  await using source = await compileGuided(model, observations, { ...eStep, batch, begin: "mean" }, engine);
  const compileSeconds = secondsSince(began);
  const levels = posteriorLevels(model.schedule, eStep, model.coordinates?.unit);
  const all = eStep.steps + 1;
  const rng = new Rng(config.seed).split("predict");
  const time = async (steps: number) => {
    const from = performance.now();
    await drawAll(source, [0, batch], {
      levels: levels.slice(0, steps + 1),
      stream: (index) => rng.split(index),
      stage: { name: "E-step", iteration: 0, iterations: 0 },
      signal,
      onEvent,
    });
    return secondsSince(from);
  };
  // Vectors take many steps in one run of the engine, images one. The first run of a program is slower than the others.
  let steps = model.network.shape.length === 1 ? all : 1;
  let timedSeconds = await time(steps);
  const affordable = unitsWithin(budgetSeconds, timedSeconds / steps, all);
  if (affordable >= steps && timedSeconds < budgetSeconds) {
    steps = affordable;
    timedSeconds = await time(steps);
  }
  const unitSeconds =
    ((timedSeconds / batch) * all) / steps + (await beginSeconds(observations, model, batch, options));
  let draws = 0;
  for (let k: number = firstGuided(options); k <= em.iterations; k++)
    draws += observationRange(config, observations.count, k).count;
  return {
    images: batch,
    configuredBatch: batch,
    compileSeconds,
    timedSeconds,
    timed: `${steps} of ${all} sampler steps`,
    unitSeconds,
    seconds: unitSeconds * draws,
    peakBytes: peakBytes(),
  };
}

/** Seconds of the exact draw that a draw by diffusion begins at, on average. */
async function beginSeconds(
  set: ObservationSet,
  model: Model,
  batch: number,
  options: PredictOptions,
): Promise<number> {
  if (model.base === "normal") return 0;
  let seconds = 0;
  for (const { observations, numbers } of kindsOf(set)) {
    const together = Math.min(batch, numbers.length);
    seconds += (numbers.length / set.count) * (await beginSecondsOf(observations, model, together, options));
  }
  return seconds;
}

/** The same for one kind. The first batch compiles, so the second is timed. */
async function beginSecondsOf(
  observations: Observations,
  { gaussian, coordinates }: Model,
  batch: number,
  { engine = {} }: PredictOptions,
): Promise<number> {
  const own = inCoordinates(observations, coordinates);
  const sampler = await gaussianSampler(gaussian, own, batch, engine);
  try {
    const count = Math.min(batch, sampler.batch);
    const read = await own.read(0, count);
    const streams = Array.from({ length: count }, (_, i) => new Rng(0).split(i));
    await sampler.draw(read, streams);
    const began = performance.now();
    await sampler.draw(read, streams);
    return secondsSince(began) / count;
  } finally {
    await sampler.release();
  }
}
