import type { HostArray } from "../core/array.ts";
import { AbortedError } from "../core/errors.ts";
import { checkpointPace } from "./checkpoint-pace.ts";
import type { Context } from "./context.ts";
import { observationRange, ranges } from "./course.ts";
import { type DrawWriter, openDrawWriter } from "./draw-writer.ts";
import { DrawFiles, verifyDraws } from "./draws.ts";
import { drawGaussianPosterior } from "./gaussian-draws.ts";
import { type Model, posteriorSampler } from "./model.ts";
import { posteriorStart } from "./posterior-start.ts";
import { predictiveSpread } from "./predictive-spread.ts";
import { drawResidual } from "./residual.ts";
import { collector, drawPosterior, type SamplingJob } from "./sampling.ts";

/** The E-step [algorithm 1, lines 4-6]: one posterior draw for each of the next observations, into draws.npy. */
export async function expectation(context: Context, k: number): Promise<Record<string, number>> {
  const { observations, config, engine, run } = context;
  const { start, count } = observationRange(config, observations.count, k);
  const began = performance.now();
  const drawn = await ensureDraws(context, k);
  const seconds = (performance.now() - began) / 1000;
  const some = firstDraws(context, k, Math.min(RESIDUAL_DRAWS, count, observations.count - start));
  const residual = await drawResidual(observations, start, some, engine);
  const { gaussian } = await run.readModel(0);
  const spread = await predictiveSpread(observations, start, some, gaussian, engine);
  return {
    draws: count,
    firstObservation: start,
    residual,
    ...(spread !== undefined && { spread }),
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
  const { run, observations, config } = context;
  const { latentShape } = observations.header;
  const { start, count } = observationRange(config, observations.count, k);
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
  const { observations, config, options, rng } = context;
  const total = observationRange(config, observations.count, k).count;
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

/**
 * Exact posterior draws under the Gaussian start; can be stopped between batches.
 * @param stage for progress        @param from see `drawGaussianPosterior`
 */
export async function gaussianDraws(
  { observations, config, options, rng, engine }: Context,
  model: Model,
  [start, end]: readonly [number, number],
  consume: (samples: HostArray<"float32">, first: number) => Promise<void> | void,
  stage: { readonly name: string; readonly iteration: number },
  from = start,
): Promise<void> {
  const { name, iteration } = stage;
  const progress = { stage: name, iteration, iterations: config.em.iterations, unit: "images" } as const;
  const watched = async (samples: HostArray<"float32">, first: number) => {
    await consume(samples, first);
    const reached = first + samples.shape[0]!;
    options.onEvent?.({ ...progress, done: reached - start, total: end - start });
    if (options.signal?.aborted && reached < end) throw new AbortedError("sampling was stopped.");
  };
  await drawGaussianPosterior(
    model,
    observations,
    [start, end],
    (index) => rng.split("e-step", 1, index),
    engine,
    watched,
    from,
  );
}
