import { float32, type HostArray } from "../core/array.ts";
import { AbortedError, NumericalError } from "../core/errors.ts";
import { batchInCoordinates, fromUser, inCoordinates, toUser } from "../data/coordinates.ts";
import { checkpointPace } from "./checkpoint-pace.ts";
import type { Context } from "./context.ts";
import { observationRange, ranges } from "./course.ts";
import { type DrawWriter, openDrawWriter } from "./draw-writer.ts";
import { DrawFiles, verifyDraws } from "./draws.ts";
import type { Watch } from "./events.ts";
import { type Model, posteriorSampler } from "./model.ts";
import { posteriorStart, startSampler } from "./posterior-start.ts";
import { predictiveSpread } from "./predictive-spread.ts";
import { drawResidual } from "./residual.ts";
import { collector, drawPosterior, type SamplingJob } from "./sampling.ts";

/** The E-step [algorithm 1, lines 4-6]: one posterior draw for each of the next observations, into draws.npy. */
export async function expectation(context: Context, k: number): Promise<Record<string, number>> {
  const { observations, engine, run } = context;
  const { start, count } = observationRange(run.configAt(k), observations.count, k);
  const began = performance.now();
  const drawn = await ensureDraws(context, k);
  const seconds = (performance.now() - began) / 1000;
  const some = firstDraws(context, k, Math.min(RESIDUAL_DRAWS, count, observations.count - start));
  const { gaussian, coordinates } = await run.readModel(0);
  const own = coordinates ? inCoordinates(observations, coordinates) : observations;
  const latents = fromUser(coordinates, some);
  const residual = await drawResidual(own, start, latents, engine);
  if (!Number.isFinite(residual))
    throw new NumericalError(
      `${observations.path}: iteration ${k}: expected draws that the operator maps to finite numbers, found a residual of ${residual}. Check the operator and the noise variance.`,
    );
  const spread = await predictiveSpread(own, start, latents, gaussian, engine);
  return {
    draws: count,
    firstObservation: start,
    residual,
    ...(Number.isFinite(spread) && { spread: spread! }),
    ...(drawn > 0 && { imagesPerSecond: drawn / seconds }),
  };
}

/** Draws whose agreement with the observations is measured. */
const RESIDUAL_DRAWS = 256;

/**
 * Makes sure that the draws of iteration k are on the disk: verifies them if an earlier process completed them, and
 * draws those that are missing.
 * @returns how many were drawn now        @throws DataError if some are damaged
 */
export async function ensureDraws(context: Context, k: number): Promise<number> {
  const { run, observations } = context;
  const { latentShape } = observations.header;
  const { start, count } = observationRange(run.configAt(k), observations.count, k);
  if (await verifyDraws(run.drawPaths(k), count, latentShape)) return 0;
  const writer = await openDrawWriter(run.drawPaths(k), count, latentShape);
  try {
    if (writer.done < count) await drawRest(context, k, ranges(start, count, observations.count), writer);
    await writer.finish();
  } finally {
    await writer.close();
  }
  return count - writer.done;
}

/** Draws what the writer has not: whole batches, made up as if all had been drawn at once. */
async function drawRest(
  context: Context,
  k: number,
  parts: readonly (readonly [number, number])[],
  writer: DrawWriter,
): Promise<void> {
  const { run, observations, config, options, engine } = context;
  const model = await run.readModel(k - 1);
  const sampler = k > 1 ? await posteriorSampler(model, observations, config.eStep, engine) : undefined;
  const begun = sampler && (await posteriorStart(model, observations, config.eStep, engine));
  const pace = checkpointPace(options.checkpointSeconds);
  const consume = async (samples: HostArray<"float32">) => {
    await writer.append(samples);
    await pace(writer.flush);
  };
  try {
    let before = 0;
    for (const [start, end] of parts) {
      const from = Math.min(end, start + Math.max(0, writer.done - before));
      if (!(sampler && begun)) {
        const stage = { name: "E-step", iteration: k };
        await gaussianDraws(context, model, [start, end], consume, stage, from);
      } else {
        const offset = before + from - start;
        await drawPosterior(
          sampler,
          observations,
          [from, end],
          { ...posteriorJob(context, model, k, offset), ...begun },
          consume,
        );
      }
      before += end - start;
    }
  } finally {
    await sampler?.release();
    await begun?.release();
  }
}

/** @param offset draws before those of the job, for progress */
function posteriorJob(
  context: Context,
  model: Model,
  k: number,
  offset: number,
): Omit<SamplingJob, "levels"> {
  const { run, observations, config, options, rng } = context;
  const total = observationRange(run.configAt(k), observations.count, k).count;
  return {
    model,
    stream: (index) => rng.split("e-step", k, index),
    stage: { name: "E-step", iteration: k, iterations: config.em.iterations },
    signal: options.signal,
    onEvent: (event) => options.onEvent?.({ ...event, done: event.done + offset, total }),
  };
}

/** The first draws of iteration k. */
export function firstDraws({ run, observations }: Context, k: number, count: number): HostArray<"float32"> {
  const { latentShape } = observations.header;
  const draws = new DrawFiles([run.file(k, "draws.npy")], latentShape);
  const some = collector(Math.min(count, draws.count), latentShape).all;
  for (let i = 0; i < some.shape[0]!; i++) draws.copyRow(i, some.data, i);
  draws.close();
  return some;
}

/** What draws need of the steps' context. */
export interface DrawContext extends Pick<Context, "observations" | "config" | "rng" | "engine"> {
  readonly options: Watch;
}

/**
 * Exact posterior draws under the Gaussian start, the first E-step: for observations [start, end), in the user's units and,
 * where the operator only picks entries, kept inside the model's limits; can be stopped between batches.
 * @param stage for progress
 * @param from the observation to begin with where those before it were drawn already
 */
export async function gaussianDraws(
  { observations, config, options, rng, engine }: DrawContext,
  model: Model,
  [start, end]: readonly [number, number],
  consume: (samples: HostArray<"float32">, first: number) => Promise<void> | void,
  stage: { readonly name: string; readonly iteration: number },
  from = start,
): Promise<void> {
  if (from >= end) return;
  const { name, iteration } = stage;
  const progress = { stage: name, iteration, iterations: config.em.iterations, unit: "draws" } as const;
  const { coordinates } = model;
  // Of an operator that mixes entries, a draw cut off at the limits would no longer agree with its measurements.
  const limits = observations.family.picks ? model.limits : undefined;
  const sampler = await startSampler(model, observations, end - start, engine);
  try {
    for (let first = from; first < end; first += sampler.batch) {
      if (options.signal?.aborted) throw new AbortedError("sampling was stopped.");
      const stop = Math.min(first + sampler.batch, end);
      const read = await observations.read(first, stop);
      const streams = Array.from({ length: stop - first }, (_, i) => rng.split("e-step", 1, first + i));
      const drawn = await sampler.draw(coordinates ? batchInCoordinates(read, coordinates) : read, streams);
      await consume(inside(toUser(coordinates, drawn), limits), first);
      options.onEvent?.({ ...progress, done: stop - start, total: end - start });
    }
  } finally {
    await sampler.release();
  }
}

function inside(x: HostArray<"float32">, limits: Model["limits"]): HostArray<"float32"> {
  if (!limits) return x;
  const [lo, hi] = limits;
  return float32(
    x.data.map((value) => Math.min(Math.max(value, lo), hi)),
    x.shape,
  );
}
