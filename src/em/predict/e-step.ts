import { Rng } from "../../core/random.ts";
import { conditionArrays } from "../../data/measurement.ts";
import type { Observations } from "../../data/observations.ts";
import type { TrainConfig } from "../config.ts";
import { observationRange } from "../course.ts";
import { type Model, posteriorSampler } from "../model.ts";
import { posteriorLevels } from "../posterior-start.ts";
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
  observations: Observations,
  config: TrainConfig,
  model: Model,
  { engine = {}, signal, onEvent, budgetSeconds = BUDGET_SECONDS }: PredictOptions,
): Promise<PredictedPart> {
  const { eStep, em } = config;
  const batch = Math.min(eStep.batch, observations.count);
  const began = performance.now();
  const sampler = await posteriorSampler(model, observations, { ...eStep, batch }, engine);
  const compileSeconds = secondsSince(began);
  const levels = posteriorLevels(model.schedule, eStep, model.coordinates?.unit);
  const all = eStep.steps + 1;
  const rng = new Rng(config.seed).split("predict");
  const conditions = conditionArrays(await observations.read(0, batch));
  const time = async (steps: number) => {
    const from = performance.now();
    await sampler.draw({
      streams: Array.from({ length: batch }, (_, i) => rng.split(i)),
      levels: levels.slice(0, steps + 1),
      mean: model.gaussian.mean,
      conditions,
      ...(signal && { signal }),
      onStep: (done) =>
        onEvent?.({
          stage: "E-step",
          iteration: 0,
          iterations: 0,
          done,
          total: steps,
          unit: "sampler steps",
        }),
    });
    return secondsSince(from);
  };
  try {
    // Vectors take many steps in one run of the engine, images one. The first run of a program is slower than the others.
    let steps = model.network.shape.length === 1 ? all : 1;
    let timedSeconds = await time(steps);
    const affordable = unitsWithin(budgetSeconds, timedSeconds / steps, all);
    if (affordable >= steps && timedSeconds < budgetSeconds) {
      steps = affordable;
      timedSeconds = await time(steps);
    }
    const unitSeconds = ((timedSeconds / batch) * all) / steps;
    let draws = 0; // the first iteration's come from the Gaussian, in closed form
    for (let k = 2; k <= em.iterations; k++) draws += observationRange(config, observations.count, k).count;
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
  } finally {
    await sampler.release();
  }
}
