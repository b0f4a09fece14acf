import { type HostArray, rows } from "../core/array.ts";
import { DataError, isErrorOf } from "../core/errors.ts";
import { Rng } from "../core/random.ts";
import type { Observations } from "../data/observations.ts";
import { noiseLevels } from "../diffusion/schedule.ts";
import type { Network } from "../nn/network.ts";
import { initialize, type Parameters } from "../nn/parameters.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { buildNetwork, type TrainConfig } from "./config.ts";
import { DrawFiles } from "./draws.ts";
import type { Watch } from "./events.ts";
import { drawGaussianPosterior } from "./gaussian-draws.ts";
import { fitGaussian } from "./gaussian-start.ts";
import {
  averagedParameters,
  compileTrainer,
  initialState,
  restartOptimizer,
  type TrainingState,
} from "./m-step.ts";
import { baseDenoiser, type Model, posteriorSampler, priorSampler } from "./model.ts";

import { describeObservations, RunFolder } from "./run-folder.ts";
import { clip, collector, drawPosterior, drawPrior, type SamplingJob } from "./sampling.ts";

export interface TrainOptions extends Watch {
  /** Folder of the run. */
  readonly out: string;
  /** Continue the run in `out` after its last complete iteration. */
  readonly resume?: boolean | undefined;
  /** Title of the run in reports. */
  readonly name?: string | undefined;
  /** Sentences for the report. */
  readonly notes?: readonly string[] | undefined;
  /** Clean latents of the first observations, [g, ...latent]: shown in reports, used for nothing else. */
  readonly truth?: HostArray<"float32"> | undefined;
  /** Called when the start (0) or an iteration is complete on disk, e.g. to write the report. */
  readonly onIteration?:
    | ((iteration: number, metrics: Readonly<Record<string, number>>) => Promise<void>)
    | undefined;
  /** Figures from samples, e.g. distances to a reference that only the caller has. Not used for training. */
  readonly evaluate?: Evaluate | undefined;
  readonly engine?: EngineOptions | undefined;
}

/** Figures by name from prior or posterior samples [n, ...latent]. */
export type Evaluate = (
  kind: "prior" | "posterior",
  samples: HostArray<"float32">,
) => Promise<Record<string, number>>;

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
  const network = buildNetwork(config.network, observations.header.latentShape);
  const run = options.resume
    ? await reopen(observations, options.out)
    : await createRun(observations, config, options);
  const context: Context = {
    run,
    observations,
    config: run.info.config,
    rng: new Rng(config.seed),
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

interface Context {
  readonly run: RunFolder;
  readonly observations: Observations;
  readonly config: TrainConfig;
  readonly rng: Rng;
  readonly engine: EngineOptions;
  readonly options: TrainOptions;
}

async function createRun(
  observations: Observations,
  config: TrainConfig,
  options: TrainOptions,
): Promise<RunFolder> {
  const { header, count, path } = observations;
  const run = await RunFolder.create(options.out, {
    name: options.name ?? options.out.split("/").at(-1)!,
    createdBy: CREATED_BY,
    config,
    observations: describeObservations(path, await observations.checksum(), count, header),
    notes: options.notes ?? [],
  });
  const shown = await observations.read(0, Math.min(config.figures.gallery, count));
  await run.writeGallery("observations.npy", shown.y);
  if (shown.data.mask) await run.writeGallery("mask.npy", shown.data.mask);
  if (options.truth) await run.writeGallery("truth.npy", rows(options.truth, 0, shown.y.shape[0]!));
  return run;
}

async function reopen(observations: Observations, out: string): Promise<RunFolder> {
  const run = await RunFolder.open(out);
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
  const began = performance.now();
  const gaussian = await fitGaussian(observations, config.start, rng, engine, options);
  const fitted = performance.now();
  await run.writeGaussian(gaussian);
  const model = await run.readModel(0);
  const prior = await drawGallery(context, model, 0);
  const count = Math.min(
    options.evaluate ? config.figures.finalSamples : config.figures.gallery,
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
  trainer: Awaited<ReturnType<typeof compileTrainer>>,
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

/** The E-step [algorithm 1, lines 4-6]: one posterior draw for each of the next observations, into draws.npy. */
async function expectation(
  context: Context,
  k: number,
): Promise<{ draws: number; firstObservation: number }> {
  const { run, observations, config, options, engine } = context;
  const { start, count } = observationRange(config, observations.count, k);
  const model = await run.readModel(k - 1);
  const writer = await run.drawWriter(k, count);
  try {
    const consume = async (samples: HostArray<"float32">) => await writer.append(samples);
    const sampler =
      k > 1 ? await posteriorSampler(model, observations.header, config.eStep, engine) : undefined;
    let drawn = 0;
    for (const range of ranges(start, count, observations.count)) {
      if (!sampler) await gaussianDraws(context, model, range, consume);
      else {
        const offset = drawn;
        await drawPosterior(
          sampler,
          observations,
          range,
          {
            model,
            levels: noiseLevels(config.schedule, config.eStep.steps),
            stream: (index) => context.rng.split("e-step", k, index),
            range: config.eStep.clip ? run.range : undefined,
            stage: { name: "E-step", iteration: k, iterations: config.em.iterations },
            signal: options.signal,
            onEvent: (event) => options.onEvent?.({ ...event, done: event.done + offset, total: count }),
          },
          consume,
        );
      }
      drawn += range[1] - range[0];
    }
    await sampler?.release();
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return { draws: count, firstObservation: start };
}

async function gaussianDraws(
  { run, observations, config, rng, engine }: Context,
  model: Model,
  range: readonly [number, number],
  consume: (samples: HostArray<"float32">, first: number) => Promise<void> | void,
): Promise<void> {
  const limits = config.eStep.clip ? run.range : undefined;
  await drawGaussianPosterior(
    model.gaussian,
    observations,
    range,
    (index) => rng.split("e-step", 1, index),
    engine,
    (samples, first) => consume(limits ? clip(samples, limits) : samples, first),
  );
}

/** Which observations iteration k draws for: the next ones; the first iteration fills the whole buffer, for it is cheap. */
export function observationRange(
  { em }: TrainConfig,
  total: number,
  k: number,
): { start: number; count: number } {
  const each = em.observations === 0 ? total : Math.min(em.observations, total);
  const first = Math.min(each * em.buffer, total);
  return k === 1 ? { start: 0, count: first } : { start: (first + (k - 2) * each) % total, count: each };
}

/** Splits a range that runs over the end into one up to the end and one from the beginning. */
function ranges(start: number, count: number, total: number): [number, number][] {
  const end = start + count;
  return end <= total
    ? [[start, end]]
    : [
        [start, total],
        [0, end - total],
      ];
}

/** The draws that iteration k trains on: its own and those of the iterations before it, up to the buffer's length. */
function drawPaths({ run, config }: Context, k: number): string[] {
  const oldest = Math.max(1, k - config.em.buffer + 1);
  return Array.from({ length: k - oldest + 1 }, (_, i) => run.file(oldest + i, "draws.npy"));
}

/** Linear from the first rate to the second over the iterations before the last, then to the third. */
function learningRateCourse(config: TrainConfig, k: number, steps: number): (step: number) => number {
  const [first, second, third] = config.mStep.learningRate;
  const { iterations } = config.em;
  if (!config.em.carryOptimizer) return (step) => first + ((second - first) * (step + 1)) / (steps + 1);
  if (k === iterations) return (step) => second + ((third - second) * (step + 1)) / steps;
  const total = config.mStep.steps * (iterations - 1);
  return (step) => first + ((second - first) * (config.mStep.steps * (k - 1) + step + 1)) / total;
}

/** Draws what the report shows of an iteration, and the figures. */
async function showIteration(context: Context, k: number): Promise<Record<string, number>> {
  const { run, observations, config, options, engine } = context;
  const { figures, em } = config;
  const evaluate = isEvaluated(context, k) ? options.evaluate : undefined;
  const model = await run.readModel(k);
  const prior = await drawGallery(context, model, k);
  await run.writeArray(k, "gallery-prior.npy", rows(prior, 0, Math.min(figures.prior, prior.shape[0]!)));

  const final = k === em.iterations && evaluate;
  const count = Math.min(final ? figures.finalSamples : figures.gallery, observations.count);
  const batch = Math.min(config.eStep.batch, count);
  const sampler = await posteriorSampler(model, observations.header, { ...config.eStep, batch }, engine);
  const posterior = collector(count, observations.header.latentShape);
  try {
    await drawPosterior(
      sampler,
      observations,
      [0, count],
      {
        ...job(context, model, k, "Posterior samples"),
        levels: noiseLevels(config.schedule, config.eStep.steps),
        stream: (index) => context.rng.split("gallery", "posterior", index),
      },
      posterior.add,
    );
  } finally {
    await sampler.release();
  }
  await run.writeArray(k, "gallery-posterior.npy", rows(posterior.all, 0, Math.min(figures.gallery, count)));
  if (!evaluate) return {};
  return {
    ...(await evaluate("prior", prior)),
    ...(await evaluate("posterior", final ? posterior.all : await someDraws(context, k))),
  };
}

/** Whether the figures that need many samples are computed after iteration k. */
function isEvaluated({ config, options }: Context, k: number): boolean {
  const { figures, em } = config;
  return options.evaluate !== undefined && (k % figures.every === 0 || k === em.iterations);
}

/** The first draws of iteration k's E-step. */
async function someDraws({ run, config, observations }: Context, k: number): Promise<HostArray<"float32">> {
  const { latentShape } = observations.header;
  const draws = new DrawFiles([run.file(k, "draws.npy")], latentShape);
  const count = Math.min(config.figures.samples, draws.count);
  const some = collector(count, latentShape).all;
  for (let i = 0; i < count; i++) draws.copyRow(i, some.data, i);
  draws.close();
  return some;
}

/** Prior samples from the same noise in every iteration: those shown and, with `evaluate`, those behind the figures. */
async function drawGallery(context: Context, model: Model, k: number): Promise<HostArray<"float32">> {
  const { config, engine, observations } = context;
  const { figures } = config;
  const atEnds = k === 0 || k === config.em.iterations;
  const evaluated = atEnds ? figures.finalSamples : figures.samples;
  const count = isEvaluated(context, k) ? Math.max(evaluated, figures.prior) : figures.prior;
  const batch = Math.min(config.eStep.batch, count);
  const sampler = await priorSampler(model, { sampler: "ddpm", batch }, engine);
  const prior = collector(count, observations.header.latentShape);
  try {
    await drawPrior(
      sampler,
      count,
      {
        ...job(context, model, k, "Prior samples"),
        levels: noiseLevels(config.schedule, figures.priorSteps),
        stream: (index) => context.rng.split("gallery", "prior", index),
      },
      prior.add,
    );
  } finally {
    await sampler.release();
  }
  return prior.all;
}

function job(
  { run, config, options }: Context,
  model: Model,
  iteration: number,
  name: string,
): Omit<SamplingJob, "levels" | "stream"> {
  return {
    model,
    range: config.eStep.clip ? run.range : undefined,
    stage: { name, iteration, iterations: config.em.iterations },
    ...watch(options),
  };
}

function watch({ onEvent, signal }: Watch): Watch {
  return { onEvent, signal };
}

function seconds(from: number, to = performance.now()): number {
  return (to - from) / 1000;
}
