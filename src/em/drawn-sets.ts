import type { HostArray } from "../core/array.ts";
import { joinObservations } from "../data/observations/split-observations.ts";
import { batchesOf, type DrawSource } from "../inference/draw-source.ts";
import { compilePosterior } from "../inference/posterior.ts";
import type { Context } from "./context.ts";
import { observationRange, ranges } from "./course.ts";
import { readDenoiser } from "./given-denoiser.ts";
import type { DrawsName } from "./run/run-folder.ts";

/** One of an iteration's files of draws, and the observations that its rows are for. */
export interface DrawnSet {
  readonly name: DrawsName;
  /** Ranges of observations, one after the other. */
  readonly parts: readonly (readonly [number, number])[];
  /** How many that are. */
  readonly rows: number;
}

/**
 * What iteration k draws. Beside the draws that are trained on there is one for each held-out observation that is scored:
 * M-steps are judged by these.
 */
export function drawnSets({ run, observations, heldOut }: Context, k: number): DrawnSet[] {
  const { start, count } = observationRange(run.configAt(k), observations.count, k);
  const end = observations.count;
  const training: DrawnSet = { name: "draws", parts: ranges(start, count, end), rows: count };
  if (!heldOut) return [training];
  return [training, { name: "held-out-draws", parts: [[end, end + heldOut.count]], rows: heldOut.count }];
}

/** Compiles what draws for iteration k: for the observations that are trained on, and those held out after them. */
export async function compileEStep(context: Context, k: number): Promise<DrawSource> {
  const { run, observations, heldOut, engine } = context;
  const all = heldOut ? joinObservations(observations, heldOut) : observations;
  const { denoiser } = run.info;
  const model = k === 1 && denoiser ? await readDenoiser(run, denoiser) : await run.readModel(k - 1);
  return await compilePosterior(model, all, run.eStep, engine);
}

/** The rows of a set that are drawn together, batch by batch. */
export function batchesOfRows({ parts }: DrawnSet, batch: number): (readonly [number, number])[] {
  let before = 0;
  return parts.flatMap(([start, end]) => {
    const first = before;
    before += end - start;
    return [...batchesOf([first, before], batch)];
  });
}

/** How far several sets are: those before this one, and all. */
export interface DrawnSoFar {
  readonly before: number;
  readonly total: number;
}

/**
 * Draws rows [from, to) of a set: whole batches of it, so that they are the same whoever draws them and however many.
 */
export async function* drawRows(
  { config, options, rng }: Context,
  k: number,
  posterior: DrawSource,
  { parts }: DrawnSet,
  [from, to]: readonly [number, number],
  { before, total }: DrawnSoFar,
): AsyncGenerator<HostArray<"float32">> {
  let row = 0;
  for (const [start, end] of parts) {
    const first = start + Math.max(from - row, 0);
    const stop = Math.min(end, start + to - row);
    const offset = before + row + first - start;
    row += end - start;
    if (first >= stop) continue;
    const drawn = posterior.draw([first, stop], {
      stream: (index) => rng.split("e-step", k, index),
      stage: { name: "E-step", iteration: k, iterations: config.em.iterations },
      signal: options.signal,
      onEvent: (event) => options.onEvent?.({ ...event, done: event.done + offset, total }),
    });
    for await (const { samples } of drawn) yield samples;
  }
}
