import { float32, type HostArray } from "../core/array.ts";
import { NumericalError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import { fromUser, inCoordinates } from "../data/observations/coordinates.ts";
import { compilePosterior } from "../inference/posterior.ts";
import type { Context } from "./context.ts";
import { observationRange, ranges } from "./course.ts";
import { checkpointPace } from "./run/checkpoint-pace.ts";
import { type DrawWriter, openDrawWriter } from "./run/draw-writer.ts";
import { DrawFiles, verifyDraws } from "./run/draws.ts";
import { predictiveSpread } from "./vitals/predictive-spread.ts";
import { drawResidual } from "./vitals/residual.ts";

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
  const { run, observations, config, options, engine, rng } = context;
  const total = observationRange(run.configAt(k), observations.count, k).count;
  const pace = checkpointPace(options.checkpointSeconds);
  await using posterior = await compilePosterior(await run.readModel(k - 1), observations, run.eStep, engine);
  let before = 0;
  for (const [start, end] of parts) {
    const from = Math.min(end, start + Math.max(0, writer.done - before));
    const offset = before + from - start;
    const drawn = posterior.draw([from, end], {
      stream: (index) => rng.split("e-step", k, index),
      stage: { name: "E-step", iteration: k, iterations: config.em.iterations },
      signal: options.signal,
      onEvent: (event) => options.onEvent?.({ ...event, done: event.done + offset, total }),
    });
    for await (const { samples } of drawn) {
      await writer.append(samples);
      await pace(writer.flush);
    }
    before += end - start;
  }
}

/** The first draws of iteration k. */
export function firstDraws({ run, observations }: Context, k: number, count: number): HostArray<"float32"> {
  const { latentShape } = observations.header;
  const draws = new DrawFiles([run.file(k, "draws.npy")], latentShape);
  const n = Math.min(count, draws.count);
  const some = float32(new Float32Array(n * sizeOf(latentShape)), [n, ...latentShape]);
  for (let i = 0; i < n; i++) draws.copyRow(i, some.data, i);
  draws.close();
  return some;
}
