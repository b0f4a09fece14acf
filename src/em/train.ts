import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { rows } from "../core/array.ts";
import { DataError, isErrorOf } from "../core/errors.ts";
import { removeStaleTemporaries } from "../core/files.ts";
import { Rng } from "../core/random.ts";
import type { Observations } from "../data/observations.ts";
import type { Network } from "../nn/network.ts";
import { initialize, type Parameters } from "../nn/parameters.ts";
import { buildNetwork, type TrainConfig } from "./config.ts";
import type { Context, TrainOptions } from "./context.ts";
import { drawPaths, learningRateCourse } from "./course.ts";
import { DrawFiles } from "./draws.ts";
import { expectation, gaussianDraws } from "./e-step.ts";
import { fitGaussian } from "./gaussian-start.ts";
import {
  averagedParameters,
  compileTrainer,
  initialState,
  restartOptimizer,
  type Trainer,
  type TrainingState,
} from "./m-step.ts";
import { baseDenoiser } from "./model.ts";
import { describeObservations, RunFolder } from "./run-folder.ts";
import { collector } from "./sampling.ts";
import { drawGallery, showIteration, watch } from "./show.ts";

export const CREATED_BY = "diem 0.1.0";

/**
 * Learns a prior from observations by expectation maximization [Rozet24, algorithm 1] and keeps everything in a run
 * folder: a Gaussian start, then K times an E-step (posterior draws under the newest prior) and an M-step (the denoiser
 * trained on the draws, from the weights before). An aborted or killed run continues with `resume` after its last
 * complete iteration, to the same bytes.
 * @throws DataError, ConfigError, NumericalError, AbortedError
 */
export async function train(
  observations: Observations,
  config: TrainConfig,
  options: TrainOptions,
): Promise<RunFolder> {
  const run = options.resume
    ? await reopen(observations, options.out)
    : await createRun(observations, config, options);
  const network = buildNetwork(run.info.config.network, observations.header.latentShape);
  const context: Context = {
    run,
    observations,
    config: run.info.config,
    rng: new Rng(run.info.config.seed),
    engine: options.engine ?? {},
    options,
  };
  await run.writeStatus("running");
  try {
    await runIterations(context, network);
  } catch (error) {
    const stopped = isErrorOf(error, "AbortedError");
    const message = error instanceof Error ? error.message : String(error);
    // The cause is what the caller must see, even if the status cannot be written (a full disk, say).
    await run.writeStatus(stopped ? "interrupted" : "failed", message).catch(() => undefined);
    throw error;
  }
  await run.writeStatus("done");
  return run;
}

async function runIterations(context: Context, network: Network): Promise<void> {
  const { run, config } = context;
  const { iterations } = config.em;
  let last = await run.lastIteration();
  if (last < 0) {
    await startRun(context);
    last = 0;
  }
  let state: TrainingState =
    last > 0 ? await run.readState(last) : initialState(network, startParameters(context, network));
  const trainer =
    last < iterations
      ? await compileTrainer(
          network,
          config.mStep,
          config.schedule,
          baseDenoiser(await run.readModel(0)),
          context.engine,
        )
      : undefined;
  try {
    for (let k = last + 1; k <= iterations; k++) state = await iterate(context, trainer!, state, k);
  } finally {
    await trainer?.release();
  }
}

async function createRun(
  observations: Observations,
  config: TrainConfig,
  options: TrainOptions,
): Promise<RunFolder> {
  const { header, count, path } = observations;
  buildNetwork(config.network, header.latentShape); // refuse before anything is written
  const run = await RunFolder.create(options.out, {
    name: options.name ?? options.out.split("/").at(-1)!,
    createdBy: CREATED_BY,
    config,
    observations: describeObservations(path, await observations.checksum(), count, header),
    notes: options.notes ?? [],
  });
  return run;
}

/** Keeps the observations that reports show. */
async function writeGallery({ run, observations, config, options }: Context): Promise<void> {
  const shown = await observations.read(0, Math.min(config.figures.gallery, observations.count));
  await run.writeGallery("observations.npy", shown.y);
  if (shown.data.mask) await run.writeGallery("mask.npy", shown.data.mask);
  if (options.truth) await run.writeGallery("truth.npy", rows(options.truth, 0, shown.y.shape[0]!));
}

async function reopen(observations: Observations, out: string): Promise<RunFolder> {
  const run = await RunFolder.open(out);
  for (const entry of await readdir(out, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory()) await removeStaleTemporaries(join(entry.parentPath, entry.name));
  await removeStaleTemporaries(out);
  const { checksum, path } = run.info.observations;
  if (checksum !== (await observations.checksum()))
    throw new DataError(
      `${path}: expected the observations that the run began with, found others. Restore them, or start a new run.`,
    );
  return run;
}

/** Random weights; on the Gaussian's base the last layer starts at zero, so that the network starts as the Gaussian. */
function startParameters({ config, rng }: Context, network: Network): Parameters {
  const parameters = initialize(network.parameters, rng.split("network"));
  if (config.network.base === "gaussian") parameters["output.weight"]?.data.fill(0);
  return parameters;
}

/** Fits the Gaussian start and keeps it with samples of it. */
async function startRun(context: Context): Promise<void> {
  const { run, observations, config, engine, options, rng } = context;
  await writeGallery(context);
  await run.beginIteration(0);
  const began = performance.now();
  const gaussian = await fitGaussian(observations, config.start, rng, engine, options);
  const fitted = performance.now();
  await run.writeGaussian(gaussian);
  const model = await run.readModel(0);
  const prior = await drawGallery(context, model, 0);
  const count = Math.min(
    options.evaluate ? config.figures.samples : config.figures.gallery,
    observations.count,
  );
  const posterior = collector(count, observations.header.latentShape);
  await gaussianDraws(context, model, [0, count], (samples, first) => posterior.add(samples, first));
  const metrics = {
    ...(await options.evaluate?.("prior", prior)),
    ...(await options.evaluate?.("posterior", posterior.all)),
  };
  await run.writeArray(0, "prior.npy", rows(prior, 0, Math.min(config.figures.prior, prior.shape[0]!)));
  await run.writeArray(0, "posterior.npy", rows(posterior.all, 0, Math.min(config.figures.gallery, count)));
  await run.writeFigures({
    iteration: 0,
    seconds: { start: seconds(began, fitted), figures: seconds(fitted) },
    loss: [],
    eStep: {},
    mStep: {},
    metrics,
  });
  await options.onIteration?.(0, metrics);
}

/** One EM iteration; returns the training state after it. */
async function iterate(
  context: Context,
  trainer: Trainer,
  before: TrainingState,
  k: number,
): Promise<TrainingState> {
  const { run, config, options, rng } = context;
  const { network } = await run.readModel(0);
  await run.beginIteration(k);

  const began = performance.now();
  const eStep = await expectation(context, k);
  const drawn = performance.now();

  const { steps, finalSteps } = config.mStep;
  const count = k === config.em.iterations ? finalSteps : steps;
  const draws = new DrawFiles(drawPaths(context, k), network.shape);
  const trained = await trainer
    .train(config.em.carryOptimizer ? before : restartOptimizer(before), {
      draws,
      steps: count,
      learningRate: learningRateCourse(config, k, count),
      rng: rng.split("m-step", k),
      stage: { name: "M-step", iteration: k, iterations: config.em.iterations },
      ...watch(options),
    })
    .finally(() => draws.close());
  const finished = performance.now();

  await run.writeState(k, trained.state);
  await run.writeWeights(k, averagedParameters(network, trained.state));
  const metrics = await showIteration(context, k);
  await run.writeFigures({
    iteration: k,
    seconds: { eStep: seconds(began, drawn), mStep: seconds(drawn, finished), figures: seconds(finished) },
    loss: trained.loss,
    eStep: { ...eStep, imagesPerSecond: eStep.draws / seconds(began, drawn) },
    mStep: { steps: count, stepsPerSecond: count / seconds(drawn, finished) },
    metrics,
  });
  await options.onIteration?.(k, metrics);
  return trained.state;
}

function seconds(from: number, to = performance.now()): number {
  return (to - from) / 1000;
}
