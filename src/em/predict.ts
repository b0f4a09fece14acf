/** How long a run would take here, from one timed batch of each of its parts. */
import { Rng } from "../core/random.ts";
import type { Observations } from "../data/observations.ts";
import { noiseLevels } from "../diffusion/schedule.ts";
import { flatten, initialize } from "../nn/parameters.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { buildNetwork, type TrainConfig } from "./config.ts";
import { observationRange } from "./course.ts";
import { fitGaussian } from "./gaussian-start.ts";
import { beginTraining, initialState } from "./m-step/state.ts";
import { compileTrainer } from "./m-step.ts";
import { baseDenoiser, type Model, posteriorSampler } from "./model.ts";
import { conditionArrays } from "./posterior.ts";

export interface PredictOptions {
  readonly engine?: EngineOptions;
  /** The most images timed together, where the configuration's batches do not fit into memory. Default: those batches. */
  readonly largestBatch?: number;
  /** Receives lines about what is being timed. */
  readonly log?: (line: string) => void;
}

/** One part of a run: what was timed, and what that makes for the whole. */
export interface PredictedPart {
  /** Images timed together, and as many as the configuration asks for. */
  readonly batch: number;
  readonly configuredBatch: number;
  /** Seconds to compile the program, and to run it once for the batch. */
  readonly compileSeconds: number;
  readonly batchSeconds: number;
  /** What the batch went through, e.g. "1 of 65 sampler steps". */
  readonly timed: string;
  /** Seconds of this part in the whole run, in proportion to the images. */
  readonly seconds: number;
}

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

/**
 * Compiles the three programs of a run (Gaussian start, sampler, trainer) and times each on one batch of the
 * observations: the start for one iteration, the sampler for one step (vectors: all steps), the trainer
 * for one optimizer step. What batches cost is taken to be proportional to their images. Writes nothing.
 * @throws ConfigError, DataError
 */
export async function predictRun(
  observations: Observations,
  config: TrainConfig,
  options: PredictOptions = {},
): Promise<Prediction> {
  const network = buildNetwork(config.network, observations.header.latentShape);
  const weights = initialize(network.parameters, new Rng(config.seed).split("network"));
  const { log = () => undefined } = options;
  log("Timing the Gaussian start ...");
  const { gaussian, part: start } = await timeStart(observations, config, options);
  const model: Model = {
    network,
    parameters: weights,
    gaussian,
    base: config.network.base,
    schedule: config.schedule,
  };
  log("Timing the E-step ...");
  const eStep = await timeEStep(observations, config, model, options);
  log("Timing the M-step ...");
  const mStep = await timeMStep(observations, config, model, options);
  return {
    parameters: flatten(network.parameters, weights).data.length,
    start,
    eStep,
    mStep,
    seconds: start.seconds + eStep.seconds + mStep.seconds,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
}

async function timeStart(
  observations: Observations,
  { start, seed }: TrainConfig,
  { engine = {}, largestBatch = Number.POSITIVE_INFINITY }: PredictOptions,
) {
  const used = Math.min(start.observations, observations.count);
  const batch = Math.min(used, largestBatch);
  const began = performance.now();
  const ends: number[] = [];
  // The first iteration compiles; the second is what all others cost.
  const gaussian = await fitGaussian(
    observations,
    { ...start, observations: batch, iterations: 2 },
    new Rng(seed),
    engine,
    {
      checkpoint: async () => {
        ends.push(performance.now());
      },
    },
  );
  const batchSeconds = (ends[1]! - ends[0]!) / 1000;
  const part: PredictedPart = {
    batch,
    configuredBatch: used,
    compileSeconds: Math.max(0, (ends[0]! - began) / 1000 - batchSeconds),
    batchSeconds,
    timed: `1 of ${start.iterations} iterations`,
    seconds: (batchSeconds / batch) * used * start.iterations,
  };
  return { gaussian, part };
}

async function timeEStep(
  observations: Observations,
  config: TrainConfig,
  model: Model,
  { engine = {}, largestBatch = Number.POSITIVE_INFINITY }: PredictOptions,
): Promise<PredictedPart> {
  const { eStep, em, schedule } = config;
  const batch = Math.min(eStep.batch, observations.count, largestBatch);
  const began = performance.now();
  const sampler = await posteriorSampler(model, observations, { ...eStep, batch }, engine);
  const compiled = performance.now();
  const levels = noiseLevels(schedule, eStep.steps);
  // Vectors take many steps in one run of the engine, images one.
  const steps = model.network.shape.length === 1 ? eStep.steps + 1 : 1;
  const rng = new Rng(config.seed).split("predict");
  try {
    await sampler.draw({
      streams: Array.from({ length: batch }, (_, i) => rng.split(i)),
      levels: levels.slice(0, steps + 1),
      mean: model.gaussian.mean,
      conditions: conditionArrays(await observations.read(0, batch)),
    });
  } finally {
    await sampler.release();
  }
  const batchSeconds = (performance.now() - compiled) / 1000;
  let draws = 0; // the first iteration's come from the Gaussian, in closed form
  for (let k = 2; k <= em.iterations; k++) draws += observationRange(config, observations.count, k).count;
  return {
    batch,
    configuredBatch: eStep.batch,
    compileSeconds: (compiled - began) / 1000,
    batchSeconds,
    timed: `${steps} of ${eStep.steps + 1} sampler steps`,
    seconds: ((batchSeconds / batch) * draws * (eStep.steps + 1)) / steps,
  };
}

async function timeMStep(
  observations: Observations,
  config: TrainConfig,
  model: Model,
  { engine = {}, largestBatch = Number.POSITIVE_INFINITY }: PredictOptions,
): Promise<PredictedPart> {
  const { mStep, em, schedule } = config;
  const { network, parameters } = model;
  const batch = Math.min(mStep.microBatch ?? mStep.batch, largestBatch);
  const began = performance.now();
  const trainer = await compileTrainer(
    { network, mStep: { ...mStep, batch, microBatch: null }, schedule, base: baseDenoiser(model) },
    engine,
  );
  const compiled = performance.now();
  const { data } = model.gaussian.mean;
  try {
    await trainer.train(beginTraining(initialState(network, parameters!)), {
      draws: { count: observations.count, copyRow: (_index, out, row) => out.set(data, row * data.length) },
      steps: 1,
      learningRate: () => mStep.learningRate[0],
      rng: new Rng(config.seed).split("predict"),
      stage: { name: "M-step", iteration: 0, iterations: 0 },
    });
  } finally {
    await trainer.release();
  }
  const batchSeconds = (performance.now() - compiled) / 1000;
  const steps = (em.iterations - 1) * mStep.steps + mStep.finalSteps;
  return {
    batch,
    configuredBatch: mStep.batch,
    compileSeconds: (compiled - began) / 1000,
    batchSeconds,
    timed: "1 optimizer step",
    seconds: (batchSeconds / batch) * mStep.batch * steps,
  };
}
