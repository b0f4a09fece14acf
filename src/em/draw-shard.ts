import { ConfigError, DataError } from "../core/errors.ts";
import type { Watch } from "../core/events.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type Context, contextOf, expectOwn } from "./context.ts";
import { batchesOfRows, compileEStep, drawnSets, drawRows } from "./drawn-sets.ts";
import { areDrawn } from "./e-step.ts";
import { usefulIterations } from "./held-out/figures.ts";
import { withNoise } from "./noise.ts";
import type { RunFolder } from "./run/run-folder.ts";
import { isWhole, removeShards, type Shard, shardFolder, shardsIn, writeShard } from "./run/shards.ts";

/** Which share of an iteration's E-step is drawn: the `index`th of `count`, from 1. */
export interface DrawShardOptions extends Watch {
  readonly index: number;
  readonly count: number;
  /** Default: the one that the run does next. */
  readonly iteration?: number | undefined;
  readonly engine?: EngineOptions | undefined;
}

/**
 * Draws a share of an E-step into files of their own, which the run takes when it goes on (`train`, resumed). Any number of
 * processes may draw at a time, on one machine or several that share the run's folder, in any order and any number of times: what
 * is there is not drawn again, and the run's bytes do not depend on who drew what.
 * @returns how many draws the share has, and how many of them were made now; none if the iteration has its draws
 * @throws DataError if the run has not come to the iteration; ConfigError if it has no such one
 */
export async function drawShard(
  run: RunFolder,
  observations: ObservationSet,
  { index, count, iteration, engine = {}, ...watch }: DrawShardOptions,
): Promise<{ readonly iteration: number; readonly draws: number; readonly drawn: number }> {
  await expectOwn(run, observations);
  const context = contextOf(run, observations, { out: run.path, engine, ...watch });
  const last = await run.lastTrained();
  const k = iteration ?? last + 1;
  if (k <= last) return { iteration: k, draws: 0, drawn: 0 };
  await expectNext(context, last, k);
  const noisy = await withNoise(context, k - 1);
  if (await areDrawn(noisy, k)) return { iteration: k, draws: 0, drawn: 0 };
  await using posterior = await compileEStep(noisy, k);
  const shards = shareOf(noisy, k, posterior.batch, [index, count]);
  const total = shards.reduce((sum, { rows: [from, to] }) => sum + to - from, 0);
  const folder = await shardFolder(run, k);
  const present = await shardsIn(folder);
  const { latentShape } = observations.header;
  let [before, drawn] = [0, 0];
  for (const shard of shards) {
    const { set, rows } = shard;
    const [from, to] = rows;
    const old = present.find(({ name, rows: [a, b] }) => name === set.name && a === from && b === to);
    if (!(old && (await isWhole(old)))) {
      const soFar = { before: before - from, total };
      await writeShard(folder, shard, latentShape, drawRows(noisy, k, posterior, set, rows, soFar));
      drawn += to - from;
    }
    before += to - from;
  }
  if (await areDrawn(noisy, k)) await removeShards(run, k); // while this process drew
  return { iteration: k, draws: total, drawn };
}

/** Share i of n of an iteration's batches, as few ranges of rows. */
function shareOf(context: Context, k: number, batch: number, [i, n]: readonly [number, number]) {
  const all = drawnSets(context, k).flatMap((set) =>
    batchesOfRows(set, batch).map((rows) => ({ set, name: set.name, rows })),
  );
  const own = all.slice(Math.floor((all.length * (i - 1)) / n), Math.floor((all.length * i) / n));
  const joined: (Shard & { readonly set: (typeof all)[number]["set"] })[] = [];
  for (const one of own) {
    const before = joined.at(-1);
    if (before?.set.name === one.name)
      joined[joined.length - 1] = { ...one, rows: [before.rows[0], one.rows[1]] };
    else joined.push(one);
  }
  return joined;
}

/** @throws DataError, ConfigError unless the run does iteration k next */
async function expectNext(context: Context, last: number, k: number): Promise<void> {
  const { path } = context.run;
  const goOn = `Continue the run with diem train --resume --until ${Math.max(k - 1, 0)}.`;
  if (last < 0)
    throw new DataError(`${path}: expected a run whose start is finished, found one without. ${goOn}`);
  const { iterations } = context.config.em;
  if (k > iterations)
    throw new ConfigError(`--iteration: the run has ${iterations} iterations, got ${k}. Leave it out.`);
  if (k > last + 1)
    throw new DataError(`${path}: expected iteration ${k - 1} to be finished, found ${last}. ${goOn}`);
  if ((await usefulIterations(context, last)) !== iterations)
    throw new DataError(
      `${path}: expected a run that goes on as planned, found one that ends sooner, for more iterations would be of no use. Continue it with diem train --resume.`,
    );
}
