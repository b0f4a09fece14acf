import { hostArray } from "../../core/array.ts";
import { type Estimate, estimateOf } from "../../trust/clusters.ts";
import type { Context } from "../context.ts";
import { noiseOf, withNoise } from "../noise.ts";
import type { HeldOutFigures } from "../run/iteration-figures.ts";
import type { RunFolder } from "../run/run-folder.ts";
import { readSealed, writeSealed } from "../run/sealed.ts";
import { heldOutScores } from "./score.ts";

/** Of iteration k, whose weights are on the disk; undefined if no observations are held out. */
export async function heldOutFigures(context: Context, k: number): Promise<HeldOutFigures | undefined> {
  if (!context.heldOut) return undefined;
  const all = await scoresUpTo(context, k);
  const { mean, error } = estimateOf(all[k]!);
  const result = resultOf(all);
  if (k === 0) return { score: mean, error, result };
  const change = difference(all[k]!, all[0]!);
  return { score: mean, error, change: change.mean, changeError: change.error, result };
}

/**
 * Which of several iterations is the result: the latest whose scores are not worse than the best ones by more than the standard error of
 * the difference, nor than the start's at all. What errors cannot tell apart has been trained longer.
 * @param all scores of the iterations, each of the same observations
 */
export function resultOf(all: readonly Float64Array[]): number {
  const means = all.map((scores) => estimateOf(scores).mean);
  const finite = means.filter(Number.isFinite);
  if (finite.length === 0) return 0;
  const best = all[means.indexOf(Math.min(...finite))]!;
  return all.findLastIndex((scores, k) => {
    const { mean, error } = difference(scores, best);
    return mean <= 0 || (mean <= error && means[k]! <= means[0]!);
  });
}

/**
 * Whether none of the last `patience` iterations is better than the best one before them by more than the error of the difference,
 * nor the last one the best so far: a run that improves at last goes on.
 */
export function isStale(all: readonly Float64Array[], patience: number): boolean {
  const means = all.map((scores) => estimateOf(scores).mean);
  const isBest = means.at(-1)! < Math.min(...means.slice(0, -1).filter(Number.isFinite));
  return !isBest && lastAreAll(all, patience, ({ mean, error }) => !(mean < -error));
}

/** So many iterations in a row that predict worse than the best before them, each by two standard errors, are no chance. */
const SPOILT = { iterations: 3, errors: 2 } as const;

/** Iterations that a run always waits for a better prior unless told otherwise: M-steps learn little at first. */
const LEAST_PATIENCE = 5;

/** Whether a run has begun to learn its observations by heart. */
export function isSpoilt(all: readonly Float64Array[]): boolean {
  return lastAreAll(all, SPOILT.iterations, ({ mean, error }) => mean > SPOILT.errors * error);
}

/** Whether the last n scores all differ so from the best before them. */
function lastAreAll(all: readonly Float64Array[], n: number, differ: (change: Estimate) => boolean): boolean {
  const before = all.slice(0, -n);
  const means = before.map((scores) => estimateOf(scores).mean);
  const best = before[means.indexOf(Math.min(...means.filter(Number.isFinite)))];
  return best !== undefined && all.slice(-n).every((scores) => differ(difference(scores, best)));
}

/**
 * How many iterations a run has, `last` of them complete: those that it was to have, unless held-out numbers say that they are of
 * no use. A run that is spoilt ends at once; one that has waited for a better prior for as long as it may, with one more.
 */
export async function usefulIterations(context: Context, last: number): Promise<number> {
  const { iterations, patience } = context.config.em;
  if (!context.heldOut || last === 0 || last === iterations) return iterations;
  const all = await scoresUpTo(context, last);
  if (isSpoilt(all)) return last;
  const waits = patience ?? Math.max(resultOf(all), Math.ceil(iterations / 3), LEAST_PATIENCE);
  return isStale(all, waits) ? last + 1 : iterations;
}

async function scoresUpTo(context: Context, k: number): Promise<Float64Array[]> {
  const all: Float64Array[] = [];
  for (let j = 0; j <= k; j++) all.push(await scoresOf(context, j));
  return all;
}

/** Of paired scores. */
function difference(scores: Float64Array, others: Float64Array): Estimate {
  return estimateOf(scores.map((score, i) => score - others[i]!));
}

const FILE = "held-out.safetensors";

/** The scores of an iteration, if they are on the disk. */
export async function readScores(run: RunFolder, k: number): Promise<Float64Array | undefined> {
  if (!(await run.has(k, FILE))) return undefined;
  return (await readSealed(run.file(k, FILE), "held-out scores")).tensors.scores!.data as Float64Array; // as written below
}

/** The scores of an iteration, computed unless they are on the disk. */
async function scoresOf(context: Context, k: number): Promise<Float64Array> {
  const { run, rng } = context;
  const known = await readScores(run, k);
  if (known) return known;
  const { heldOut } = await withNoise(context, k);
  const own = { ...context, observations: heldOut!, rng: rng.split("held-out") };
  const [first, now] = [await noiseOf(context, 0), await noiseOf(context, k)];
  const start = { ...(await run.readModel(0)), noise: first && now ? first.scale / now.scale : 1 };
  const scores = await heldOutScores(own, start, await run.readModel(k), k);
  await writeSealed(run.file(k, FILE), { scores: hostArray("float64", [scores.length], scores) });
  return scores;
}
