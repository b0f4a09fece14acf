import type { ObservationKind } from "../data/observation-kind.ts";
import type { Observations } from "../data/observations.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { appliedBatch, compileApplied } from "./applied.ts";
import { isPicked, pickedBatch } from "./picked.ts";

/**
 * A few observations y = A x + n as linear systems, in float64. Vectors of an observation have one entry for each of
 * its M numbers (M may differ from one observation to the next where a mask hides some), matrices are row by row.
 */
export interface LinearBatch {
  /** Number of observations, n. */
  readonly size: number;
  /** Numbers that were measured, of each observation. */
  readonly measured: readonly number[];
  /** Diagonal of Sigma_y, [M] each; 1 where nothing is measured. */
  readonly variance: readonly Float64Array[];
  /** Patterns L of the noise, [M, q] each, if there are any. */
  readonly patterns: readonly Float64Array[] | undefined;
  readonly patternCount: number;
  /** y - A mean, [M] each. */
  residual(mean: Float64Array): Promise<Float64Array[]>;
  /** A C for the columns C [N, k] of all, [M, k] each. */
  apply(columns: Float64Array, k: number): Promise<Float64Array[]>;
  /** A x for a latent of each, [M] each. */
  applyEach(latents: readonly Float64Array[]): Promise<Float64Array[]>;
  /** A' v, [N] each. */
  pullEach(v: readonly Float64Array[]): Promise<Float64Array[]>;
  /** The sum over observations of A' Y, Y [M, k] each, added to `into` [N, k]. */
  addPulled(Y: readonly Float64Array[], k: number, into: Float64Array): Promise<void>;
  /** A A' P, [M, k] each. */
  normal(P: readonly Float64Array[], k: number): Promise<Float64Array[]>;
  /** The diagonal of A A', [M] each, where it has no other entries. */
  readonly diagonal: readonly Float64Array[] | undefined;
}

/** Observations as linear systems, a batch at a time. Release it when done. */
export interface LinearObservations {
  readonly kind: ObservationKind;
  readonly count: number;
  /** Observations [start, end). */
  batch(start: number, end: number): Promise<LinearBatch>;
  /** Observations that go well together. */
  readonly batchSize: number;
  release(): Promise<void>;
}

/** Numbers in memory at once, about. */
const BATCH_NUMBERS = 2 ** 21;

/**
 * Operators that do not mix entries are read on the host; others are applied by the engine, which linearizes those that are
 * not linear at `mean`.
 */
export async function linearObservations(
  observations: Observations,
  engine: EngineOptions,
): Promise<LinearObservations> {
  const { count, header } = observations;
  const M = header.observationShape.reduce((a, b) => a * b, 1);
  const batchSize = Math.max(1, Math.min(256, count, Math.floor(BATCH_NUMBERS / (32 * M))));
  if (isPicked(observations)) {
    return {
      kind: observations,
      count,
      batchSize,
      batch: async (start, end) => pickedBatch(observations, await observations.read(start, end)),
      release: () => Promise.resolve(),
    };
  }
  const applied = await compileApplied(observations, batchSize, engine);
  return {
    kind: observations,
    count,
    batchSize,
    batch: async (start, end) => await appliedBatch(applied, await observations.read(start, end)),
    release: applied.release,
  };
}

/** The batches of observations [start, end). */
export async function* linearBatches(
  linear: LinearObservations,
  [start, end]: readonly [number, number],
): AsyncGenerator<{ readonly first: number; readonly batch: LinearBatch }> {
  for (let first = start; first < end; first += linear.batchSize)
    yield { first, batch: await linear.batch(first, Math.min(first + linear.batchSize, end)) };
}
