import { NumericalError } from "../core/errors.ts";
import { fromUser, inCoordinates } from "../data/observations/coordinates.ts";
import { joinObservations } from "../data/observations/split-observations.ts";
import type { DrawSource } from "../inference/draw-source.ts";
import { compilePosterior } from "../inference/posterior.ts";
import type { Context } from "./context.ts";
import { observationRange, ranges } from "./course.ts";
import { withNoise } from "./noise.ts";
import { checkpointPace } from "./run/checkpoint-pace.ts";
import type { DrawPaths } from "./run/draw-journal.ts";
import { type DrawWriter, openDrawWriter } from "./run/draw-writer.ts";
import { verifyDraws } from "./run/draws.ts";
import { firstDraws } from "./training-draws.ts";
import { predictiveSpread } from "./vitals/predictive-spread.ts";
import { drawResidual } from "./vitals/residual.ts";

/** The E-step [algorithm 1, lines 4-6]: one posterior draw for each of the next observations, into draws.npy. */
export async function expectation(context: Context, k: number): Promise<Record<string, number>> {
  const { observations, engine, run } = await withNoise(context, k - 1);
  const { start, count } = observationRange(run.configAt(k), observations.count, k);
  const began = performance.now();
  const drawn = await ensureDraws(context, k);
  const seconds = (performance.now() - began) / 1000;
  const some = firstDraws(context, k, Math.min(RESIDUAL_DRAWS, count, observations.count - start));
  const { gaussian, coordinates } = await run.readModel(0);
  const own = inCoordinates(observations, coordinates);
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
 * draws those that are missing. Beside those that are trained on there is one for each held-out observation that is scored:
 * M-steps are judged by these.
 * @returns how many were drawn now        @throws DataError if some are damaged
 */
export async function ensureDraws(context: Context, k: number): Promise<number> {
  const { run, observations, heldOut } = await withNoise(context, k - 1);
  const { latentShape } = observations.header;
  const { start, count } = observationRange(run.configAt(k), observations.count, k);
  const end = observations.count;
  const sets: DrawnSet[] = [{ paths: run.drawPaths(k), parts: ranges(start, count, end) }];
  if (heldOut) sets.push({ paths: run.drawPaths(k, "held-out-draws"), parts: [[end, end + heldOut.count]] });
  const missing: DrawnSet[] = [];
  for (const set of sets)
    if (!(await verifyDraws(set.paths, sizeOfParts(set), latentShape))) missing.push(set);
  if (missing.length === 0) return 0;
  await using posterior = await compilePosterior(
    await run.readModel(k - 1),
    heldOut ? joinObservations(observations, heldOut) : observations,
    run.eStep,
    context.engine,
  );
  let [before, drawn] = [0, 0];
  for (const set of missing) {
    const writer = await openDrawWriter(set.paths, sizeOfParts(set), latentShape);
    try {
      const watch = { before, total: missing.reduce((total, one) => total + sizeOfParts(one), 0) };
      await drawRest(context, k, posterior, set.parts, writer, watch);
      await writer.finish();
    } finally {
      await writer.close();
    }
    before += sizeOfParts(set);
    drawn += sizeOfParts(set) - writer.done;
  }
  return drawn;
}

/** Draws of one file, and the observations that they are for. */
interface DrawnSet {
  readonly paths: DrawPaths;
  readonly parts: readonly (readonly [number, number])[];
}

function sizeOfParts({ parts }: DrawnSet): number {
  return parts.reduce((total, [start, end]) => total + end - start, 0);
}

/** Draws what the writer has not: whole batches, made up as if all had been drawn at once. */
async function drawRest(
  { config, options, rng }: Context,
  k: number,
  posterior: DrawSource,
  parts: DrawnSet["parts"],
  writer: DrawWriter,
  watch: { readonly before: number; readonly total: number },
): Promise<void> {
  const pace = checkpointPace(options.checkpointSeconds);
  let before = 0;
  for (const [start, end] of parts) {
    const from = Math.min(end, start + Math.max(0, writer.done - before));
    const offset = watch.before + before + from - start;
    const drawn = posterior.draw([from, end], {
      stream: (index) => rng.split("e-step", k, index),
      stage: { name: "E-step", iteration: k, iterations: config.em.iterations },
      signal: options.signal,
      onEvent: (event) => options.onEvent?.({ ...event, done: event.done + offset, total: watch.total }),
    });
    for await (const { samples } of drawn) {
      await writer.append(samples);
      await pace(writer.flush);
    }
    before += end - start;
  }
}
