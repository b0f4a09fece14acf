import { existsSync } from "node:fs";
import { NumericalError } from "../core/errors.ts";
import { fromUser, inCoordinates } from "../data/observations/coordinates.ts";
import type { DrawSource } from "../inference/draw-source.ts";
import type { Context } from "./context.ts";
import { observationRange } from "./course.ts";
import { compileEStep, type DrawnSet, type DrawnSoFar, drawnSets, drawRows } from "./drawn-sets.ts";
import { withNoise } from "./noise.ts";
import { checkpointPace } from "./run/checkpoint-pace.ts";
import { openDrawWriter } from "./run/draw-writer.ts";
import { verifyDraws } from "./run/draws.ts";
import { isWhole, removeShards, rowsOf, type ShardFile, shardFolder, shardsIn } from "./run/shards.ts";
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

/** Whether all draws of iteration k are on the disk, every byte as it was written. @throws DataError if some are damaged */
export async function areDrawn(context: Context, k: number): Promise<boolean> {
  return (await missingSets(context, k)).length === 0;
}

async function missingSets(context: Context, k: number): Promise<DrawnSet[]> {
  const { run, observations } = context;
  const { latentShape } = observations.header;
  const missing: DrawnSet[] = [];
  for (const set of drawnSets(context, k))
    if (!(await verifyDraws(run.drawPaths(k, set.name), set.rows, latentShape))) missing.push(set);
  return missing;
}

/**
 * Makes sure that the draws of iteration k are on the disk: verifies them if an earlier process completed them, takes those that
 * others have drawn (`drawShard`), and draws those that are missing.
 * @returns how many were drawn now        @throws DataError if some are damaged
 */
export async function ensureDraws(stated: Context, k: number): Promise<number> {
  const context = await withNoise(stated, k - 1);
  const missing = await missingSets(context, k);
  if (missing.length === 0) return 0;
  const shards = await wholeShards(context, k);
  const total = missing.reduce((sum, { rows }) => sum + rows, 0);
  let posterior: DrawSource | undefined;
  const compiled = async () => (posterior ??= await compileEStep(context, k));
  let [before, drawn] = [0, 0];
  try {
    for (const set of missing) {
      const own = shards.filter(({ name }) => name === set.name);
      drawn += await complete(context, k, compiled, set, own, { before, total });
      before += set.rows;
    }
  } finally {
    await posterior?.[Symbol.asyncDispose]();
  }
  await removeShards(context.run, k);
  return drawn;
}

/** Completes a file: what its writer has not, whole shards and batches, made up as if all had been drawn at once. */
async function complete(
  context: Context,
  k: number,
  compiled: () => Promise<DrawSource>,
  set: DrawnSet,
  shards: readonly ShardFile[],
  soFar: DrawnSoFar,
): Promise<number> {
  const { latentShape } = context.observations.header;
  const writer = await openDrawWriter(context.run.drawPaths(k, set.name), set.rows, latentShape);
  const pace = checkpointPace(context.options.checkpointSeconds);
  let drawn = 0;
  try {
    for (let at = writer.done; at < set.rows; ) {
      const shard = shards.find(({ rows: [from, to] }) => from <= at && at < to);
      const next = shards.map(({ rows }) => rows[0]).filter((from) => from > at);
      const to = shard ? shard.rows[1] : Math.min(set.rows, ...next);
      if (shard) for (const some of rowsOf(shard, [at, to], latentShape)) await writer.append(some);
      else
        for await (const some of drawRows(context, k, await compiled(), set, [at, to], soFar)) {
          await writer.append(some);
          await pace(writer.flush);
        }
      if (!shard) drawn += to - at;
      await writer.flush(); // a later process goes on at the end of a batch
      at = to;
    }
    await writer.finish();
  } finally {
    await writer.close();
  }
  return drawn;
}

/** The shards of iteration k's draws. One that is damaged is drawn again. */
async function wholeShards({ run, options }: Context, k: number): Promise<ShardFile[]> {
  if (!existsSync(run.shardsPath(k))) return []; // the folder's name takes a look at all weights
  const whole: ShardFile[] = [];
  for (const shard of await shardsIn(await shardFolder(run, k)))
    if (await isWhole(shard)) whole.push(shard);
    else
      options.onWarning?.(
        `${shard.path}: expected draws as they were written, found others. They are drawn again.`,
      );
  return whole;
}
