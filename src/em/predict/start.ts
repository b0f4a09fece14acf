import { Rng } from "../../core/random.ts";
import type { Observations } from "../../data/observations.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import type { TrainConfig } from "../config.ts";
import { fitGaussian } from "../gaussian-start.ts";
import { BUDGET_SECONDS, type PredictedPart, type PredictOptions, peakBytes, unitsWithin } from "./part.ts";

/** The start is the smallest part of a run, and gets that share of a part's budget. */
const START_SHARE = 0.2;

/** Times an iteration of the Gaussian start, on one image and then on as many as the budget allows. */
export async function timeStart(
  observations: Observations,
  { start, seed }: TrainConfig,
  options: PredictOptions,
): Promise<{ gaussian: Gaussian; part: PredictedPart }> {
  const used = Math.min(start.observations, observations.count);
  const measure = (images: number) =>
    timeFit(observations, { ...start, observations: images }, seed, options);
  let images = 1;
  let timing = await measure(images);
  const budget = START_SHARE * (options.budgetSeconds ?? BUDGET_SECONDS);
  // Two iterations are run, of which one is timed.
  const affordable = unitsWithin(budget / 2, timing.timedSeconds, used);
  if (affordable > 1) {
    images = affordable;
    timing = await measure(images);
  }
  const { gaussian, timedSeconds, compileSeconds } = timing;
  const part = {
    images,
    configuredBatch: used,
    compileSeconds,
    timedSeconds,
    timed: `1 of ${start.iterations} iterations`,
    seconds: (timedSeconds / images) * used * start.iterations,
    peakBytes: peakBytes(),
  };
  return { gaussian, part };
}

async function timeFit(
  observations: Observations,
  start: TrainConfig["start"],
  seed: number,
  { engine = {}, signal, onEvent }: PredictOptions,
) {
  const began = performance.now();
  const ends: number[] = [];
  // The first iteration compiles; the second is what all others cost.
  const gaussian = await fitGaussian(observations, { ...start, iterations: 2 }, new Rng(seed), engine, {
    signal,
    onEvent,
    checkpoint: async () => {
      ends.push(performance.now());
    },
  });
  // A fit that has settled ends before: then the last iteration is what remains.
  const first = ends[0] ?? began;
  const second = ends[1] ?? performance.now();
  const timedSeconds = (second - first) / 1000;
  return { gaussian, timedSeconds, compileSeconds: Math.max(0, (first - began) / 1000 - timedSeconds) };
}
