import { basename, isAbsolute, relative, resolve, sep } from "node:path";
import { ConfigError, DataError, isErrorOf } from "../core/errors.ts";
import type { ProgressEvent } from "../core/events.ts";
import { makeFolder, withoutLinks } from "../core/files.ts";
import { formatShape, type Shape, sameShape } from "../core/shape.ts";
import { kindsOf, type ObservationSet } from "../data/observations/observation-set.ts";
import { samplerMethod } from "../inference/choice.ts";
import { posteriorLevels } from "../inference/levels.ts";
import { baseOf } from "../inference/model.ts";
import type { Network } from "../nn/network.ts";
import { initialize, type Parameters } from "../nn/parameters.ts";
import { buildNetwork, checkMStep, type TrainConfig } from "./config/config.ts";
import { type Context, contextOf, expectOwn, type TrainOptions } from "./context.ts";
import { heldOutCount, oldestDraws } from "./course.ts";
import { ensureDraws } from "./e-step.ts";
import { checkDecided } from "./given-prior.ts";
import { usefulIterations } from "./held-out/figures.ts";
import { iterate } from "./iteration.ts";
import { averagedParameters, initialState, type TrainingState } from "./m-step/state.ts";
import { compileTrainer } from "./m-step.ts";
import { drawChoice } from "./own-parts.ts";
import { ProgressFile } from "./run/progress-file.ts";
import { RunFolder } from "./run/run-folder.ts";
import { describeObservations } from "./run/run-info.ts";
import { lockRun } from "./run/run-lock.ts";
import { showResult } from "./show.ts";
import { ensureStart, startRun } from "./start.ts";
import { checkStatedNoise } from "./vitals/stated-noise.ts";

export const CREATED_BY = "diem 0.1.0";

/**
 * Learns a prior from observations by expectation maximization [Rozet24, algorithm 1], and keeps everything in a run folder.
 * It begins with a start: a Gaussian that it fits, or a prior that is given. Then it repeats an E-step, which draws posteriors under the newest prior, and an M-step, which
 * trains the denoiser on the draws from the weights before. With `resume` an aborted or killed run continues inside the step
 * where it stopped, and reaches the same bytes as one that was left alone. Of the configuration, only more `em.iterations`
 * count then.
 * @throws DataError, ConfigError, NumericalError, AbortedError
 */
export async function train(
  observations: ObservationSet,
  config: TrainConfig,
  options: TrainOptions,
): Promise<RunFolder> {
  const { out, resume } = options;
  if (resume) await RunFolder.open(out, options);
  else await makeRunFolder(observations, config, options);
  const lock = await lockRun(out);
  try {
    const run = resume
      ? await raised(await reopen(observations, options), config)
      : await createRun(observations, config, options);
    return await trainLocked(run, observations, options);
  } finally {
    await lock.release();
  }
}

async function trainLocked(
  run: RunFolder,
  observations: ObservationSet,
  options: TrainOptions,
): Promise<RunFolder> {
  const progress = new ProgressFile(run.path);
  const onEvent = (event: ProgressEvent) => {
    progress.tell(event);
    options.onEvent?.(event);
  };
  const context = contextOf(run, observations, { ...options, onEvent });
  await run.writeStatus("running");
  let ended: RunFolder;
  try {
    ended = await runIterations(context);
  } catch (error) {
    const stopped = isErrorOf(error, "AbortedError");
    const message = error instanceof Error ? error.message : String(error);
    // The cause is what the caller must see, even if the status cannot be written (a full disk, say).
    await run.writeStatus(stopped ? "interrupted" : "failed", message).catch(() => undefined);
    throw error;
  }
  await ended.writeStatus((await ended.isDone()) ? "done" : "interrupted");
  return ended;
}

/** @returns the run as it ended, see `shortened` */
async function runIterations(context: Context): Promise<RunFolder> {
  const { run, config, observations, options } = context;
  const { network } = run;
  const { until = config.em.iterations } = options;
  const trained = await run.lastTrained();
  if (trained < 0) await startRun(context);
  else await options.onIteration?.(trained, (await run.readFigures(trained)).metrics);
  await ensureStart(context);
  const last = Math.max(trained, 0);
  if (last >= Math.min(until, config.em.iterations)) {
    await ensureWeights(context, network, last);
    await showResult(context);
    return run;
  }
  let state = await stateAfter(context, network, last);
  const start = await run.readModel(0);
  posteriorLevels(start.schedule, run.eStep, start.coordinates?.unit); // refused now rather than after an iteration
  const { mStep } = config;
  const black = observations.header.range?.[0];
  const trainer = await compileTrainer(
    { network, mStep, schedule: start.schedule, base: baseOf(start), coordinates: start.coordinates, black },
    context.engine,
  );
  let now = context;
  try {
    for (let k = last + 1; k <= now.config.em.iterations; k++) {
      now = await shortened(now, k - 1);
      if (k > now.config.em.iterations || k > until) break;
      state = await iterate(now, trainer, state, k);
    }
  } finally {
    await trainer.release();
  }
  await showResult(now);
  return now.run;
}

/** The context after iteration `last`, with fewer iterations if more are of no use. */
async function shortened(context: Context, last: number): Promise<Context> {
  const iterations = await usefulIterations(context, last);
  if (iterations === context.config.em.iterations) return context;
  const run = await context.run.withIterations(iterations);
  return { ...context, run, config: run.info.config };
}

/**
 * The training state after an iteration. What later ones need of it and of those before is verified, and computed again
 * where it is missing.
 */
async function stateAfter(context: Context, network: Network, k: number): Promise<TrainingState> {
  const { run } = context;
  if (k === 0) {
    const { parameters } = await run.readModel(0);
    return initialState(network, parameters ?? startParameters(context, network));
  }
  for (let j = oldestDraws(context.config, k + 1); j <= k; j++) {
    await ensureWeights(context, network, j - 1);
    await ensureDraws(context, j);
  }
  await ensureWeights(context, network, k);
  return (await run.readProgress(k))!.state;
}

/** Weights follow from the state of the same iteration. */
async function ensureWeights({ run }: Context, network: Network, k: number): Promise<void> {
  if (k === 0 || (await run.has(k, "weights.safetensors"))) return;
  const progress = await run.readProgress(k);
  if (progress) await run.writeWeights(k, averagedParameters(network, progress.state));
}

/** @throws DataError for observations that no run can learn from, or one inside them */
export async function checkObservations(observations: ObservationSet, out: string): Promise<void> {
  await refuseInside(observations, out);
  await checkStatedNoise(observations);
}

/** A run inside its observations would change them, and could not be resumed. */
async function refuseInside({ path }: ObservationSet, out: string): Promise<void> {
  const inside = relative(await withoutLinks(path), await withoutLinks(out));
  if (inside.split(sep)[0] !== ".." && !isAbsolute(inside))
    throw new DataError(
      `${out}: expected a run outside its observations, found it inside ${path}. Choose another folder.`,
    );
}

/** The folder of a new run; refuses what cannot be trained before anything is written. */
async function makeRunFolder(
  observations: ObservationSet,
  config: TrainConfig,
  { out, network, from, ...own }: TrainOptions,
): Promise<void> {
  await checkObservations(observations, out);
  if (from) checkDecided(from, config);
  const { latentShape } = observations.header;
  expectFits(network ?? buildNetwork(config.network, latentShape), latentShape);
  checkMStep(config.mStep, latentShape);
  if (config.em.noise === "estimate" && kindsOf(observations).length > 1)
    throw new ConfigError(
      'em.noise: expected "stated" for observations of several kinds, each with noise of its own, got "estimate".',
    );
  if (config.em.patience !== null && heldOutCount(config, observations.count) === 0)
    throw new ConfigError(
      `em.patience: expected held-out observations, which tell when to stop, found none. Give em.validation above 0, or no patience.`,
    );
  samplerMethod(drawChoice(config.eStep, own));
  const { sigmaMin, sigmaMax, spacing } = config.schedule;
  if (sigmaMin !== null && sigmaMax !== null) posteriorLevels({ sigmaMin, sigmaMax, spacing }, config.eStep);
  await makeFolder(out);
}

async function createRun(
  observations: ObservationSet,
  config: TrainConfig,
  options: TrainOptions,
): Promise<RunFolder> {
  const info = {
    name: options.name ?? basename(resolve(options.out)),
    createdBy: CREATED_BY,
    config,
    observations: await describeObservations(observations),
    ...(options.from && { from: options.from.info }),
    ...(options.denoiser && { denoiser: options.denoiser }),
    notes: [
      ...(options.denoiser ? [`The first E-step drew with the denoiser in ${options.denoiser.file}.`] : []),
      ...(options.notes ?? []),
    ],
  };
  return await RunFolder.create(options.out, info, options);
}

/** @throws ConfigError if a network of one's own is for other latents */
function expectFits({ shape }: Network, latentShape: Shape): void {
  if (!sameShape(shape, latentShape))
    throw new ConfigError(
      `train: expected a network for latents ${formatShape(latentShape)}, found one for ${formatShape(shape)}.`,
    );
}

/** A run goes on for more iterations if more are asked for. */
async function raised(run: RunFolder, { em }: TrainConfig): Promise<RunFolder> {
  return em.iterations > run.askedIterations ? await run.withIterations(em.iterations) : run;
}

async function reopen(observations: ObservationSet, options: TrainOptions): Promise<RunFolder> {
  const run = await RunFolder.open(options.out, options);
  await run.removeLeftovers();
  await expectOwn(run, observations);
  return run;
}

/** Random weights; on the Gaussian's base the last layer starts at zero, so that the network starts as the Gaussian. */
function startParameters({ config, rng }: Context, network: Network): Parameters {
  const parameters = initialize(network.parameters, rng.split("network"));
  if (config.network.base === "gaussian") parameters["output.weight"]?.data.fill(0);
  return parameters;
}
