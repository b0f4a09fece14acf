import { hostArray } from "../../core/array.ts";
import type { Context } from "../context.ts";
import type { HeldOutFigures } from "../run-folder.ts";
import { readSealed, writeSealed } from "../sealed.ts";
import { heldOutScores } from "./score.ts";

/** Of iteration k, whose weights are on the disk; undefined if no observations are held out. */
export async function heldOutFigures(context: Context, k: number): Promise<HeldOutFigures | undefined> {
  if (!context.heldOut) return undefined;
  const scores = await scoresOf(context, k);
  const { mean, error } = meanWithError(scores);
  if (k === 0) return { score: mean, error };
  const start = await scoresOf(context, 0);
  const change = meanWithError(scores.map((score, i) => score - start[i]!));
  return { score: mean, error, change: change.mean, changeError: change.error };
}

/** The scores of an iteration, computed unless they are on the disk. */
async function scoresOf(context: Context, k: number): Promise<Float64Array> {
  const { run, rng } = context;
  const path = run.file(k, "held-out.safetensors");
  if (await run.has(k, "held-out.safetensors"))
    return (await readSealed(path, "held-out scores")).tensors.scores!.data as Float64Array; // as written below
  const own = { ...context, observations: context.heldOut!, rng: rng.split("held-out") };
  const scores = await heldOutScores(own, await run.readModel(0), await run.readModel(k), k);
  await writeSealed(path, { scores: hostArray("float64", [scores.length], scores) });
  return scores;
}

/** With the error that n values leave; without one if there is only one. */
function meanWithError(values: Float64Array): { mean: number; error: number } {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : Number.POSITIVE_INFINITY };
}
