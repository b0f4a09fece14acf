/** How long a run would take here, from what is timed of each of its parts. */
import { Rng } from "../core/random.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import type { Model } from "../inference/model.ts";
import { flatten, initialize } from "../nn/parameters.ts";
import { buildNetwork, type TrainConfig } from "./config/config.ts";
import { timeEStep } from "./predict/e-step.ts";
import { timeMStep } from "./predict/m-step.ts";
import { type PredictedPart, type PredictOptions, peakBytes } from "./predict/part.ts";
import { type TimedStart, timeStart } from "./predict/start.ts";

export type { PredictedPart, PredictOptions } from "./predict/part.ts";

/** Times that a run would take on this machine, without figures and reports. */
export interface Prediction {
  readonly parameters: number;
  readonly start: PredictedPart;
  readonly eStep: PredictedPart;
  readonly mStep: PredictedPart;
  /** Seconds of the three parts together. */
  readonly seconds: number;
  /** Largest resident memory of the process so far, in bytes. */
  readonly peakBytes: number;
}

/** With the start as far as it was timed, for a prediction of the same run with another network. */
export interface TimedRun extends Prediction {
  readonly timedStart: TimedStart;
}

/**
 * Compiles the programs of a run (Gaussian start, sampler, trainer) and times each: an iteration of the start on some
 * observations, a batch of posterior draws, an optimizer step on a batch. Where the budget does not reach so far, fewer
 * observations, sampler steps or micro-batches are timed, and the rest is taken in proportion. Writes nothing.
 * @throws ConfigError, DataError
 */
export async function predictRun(
  observations: ObservationSet,
  config: TrainConfig,
  options: PredictOptions = {},
): Promise<Prediction> {
  const { timedStart: _, ...prediction } = await timeRun(observations, config, options);
  return prediction;
}

/** As `predictRun`. @param start what an earlier call timed of it */
export async function timeRun(
  observations: ObservationSet,
  config: TrainConfig,
  options: PredictOptions,
  start?: TimedStart,
): Promise<TimedRun> {
  const given = options.from?.model;
  const network =
    given?.network ?? options.network ?? buildNetwork(config.network, observations.header.latentShape);
  const weights = given?.parameters ?? initialize(network.parameters, new Rng(config.seed).split("network"));
  const { log = () => undefined } = options;
  if (!start) log("Timing the Gaussian start ...");
  const timedStart = start ?? (await timeStart(observations, config, options));
  const { gaussian, coordinates, schedule, part } = timedStart;
  const model: Model = {
    network,
    parameters: weights,
    gaussian,
    base: config.network.base,
    coordinates,
    schedule,
  };
  log(`Timing the E-step: a batch of ${config.eStep.batch} ...`);
  const eStep = await timeEStep(observations, config, model, options);
  const { batch, microBatch } = config.mStep;
  log(`Timing the M-step: an optimizer step on ${batch} images, ${microBatch ?? batch} at a time ...`);
  const mStep = await timeMStep(observations, config, model, options);
  return {
    parameters: flatten(network.parameters, weights).data.length,
    start: part,
    eStep,
    mStep,
    seconds: part.seconds + eStep.seconds + mStep.seconds,
    peakBytes: peakBytes(),
    timedStart,
  };
}
