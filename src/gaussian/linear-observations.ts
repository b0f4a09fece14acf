import { sizeOf } from "../core/shape.ts";
import type { ObservationBatch } from "../data/observations/observation-check.ts";
import type { ObservationKind } from "../data/observations/observation-kind.ts";
import { kindsIn, type ObservationSet, partsOf } from "../data/observations/observation-set.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { appliedBatch, compileApplied, withDiagonal } from "./applied.ts";
import { denseBatches } from "./dense-systems.ts";
import { FORMED } from "./formed.ts";
import { isPicked, pickedBatch } from "./picked.ts";
import { batchedProducts, type Products } from "./products.ts";
import { ROTATED } from "./rotated.ts";

/**
 * n observations y = A x + n as linear systems, in float64. Their numbers fill M rows each; where a mask hides some, or
 * others of the batch have more, A is zero in a row, the noise's variance 1 and the residual 0, and nothing follows from it.
 * Arrays lie one observation after the other, matrices row by row. There are s systems of A and Sigma_y: one for each
 * observation, s = n, or one that all of them share, s = 1.
 */
export interface LinearBatch {
  /** Number of observations, n. */
  readonly size: number;
  /** Number of systems, s: n or 1. */
  readonly systems: number;
  /** Rows of each, M. */
  readonly rows: number;
  /** Rows of each that do not depend on the others of the batch: the first ones. */
  readonly ownRows: readonly number[];
  /** Numbers that were measured, of each observation. */
  readonly measured: readonly number[];
  /** Diagonal of Sigma_y, [n, M]. */
  readonly variance: Float64Array;
  /** Patterns L of the noise, [s, M, q], if there are any. */
  readonly patterns: Float64Array | undefined;
  readonly patternCount: number;
  /** y - A mean, [n, M]. */
  residual(mean: Float64Array): Promise<Float64Array>;
  /** A C for the columns C [N, k] of all, [s, M, k]. */
  apply(columns: Float64Array, k: number): Promise<Float64Array>;
  /** A x for a latent of each, [n, M]. @param latents [n, N] */
  applyEach(latents: Float64Array): Promise<Float64Array>;
  /** A' v, [n, N]. @param v [n, M] */
  pullEach(v: Float64Array): Promise<Float64Array>;
  /** The sum over systems of A' Y, Y [s, M, k], added to `into` [N, k]. */
  addPulled(Y: Float64Array, k: number, into: Float64Array): Promise<void>;
  /** A A' P, [s, M, k]. */
  normal(P: Float64Array, k: number): Promise<Float64Array>;
  /** The diagonal of A A', [n, M]; an estimate where A A' has other entries too, and nothing where only A is asked for. */
  readonly diagonal: Float64Array;
  /** Whether A A' has no other entries. */
  readonly isDiagonal: boolean;
  /** A A', [s, M, M], where it was formed. */
  readonly gram?: Float64Array;
  /** Multiplications that A takes for one column where it is a dense matrix. */
  readonly dense?: number;
  readonly products: Products;
  /** ln det of the change of variables, if y was changed: what the ln det of its covariance lacks. */
  readonly logScales?: readonly number[];
}

/** Makes linear systems of observations of one kind. Release it when done. */
export interface LinearKind {
  readonly kind: ObservationKind;
  /** Observations that a batch holds at most. */
  readonly batchSize: number;
  /** Whether all batches have one system, and the same. */
  readonly isShared: boolean;
  batch(observations: ObservationBatch): Promise<LinearBatch>;
  readonly products: Products;
  release(): Promise<void>;
}

/**
 * What systems of an operator that mixes entries are for:
 *   "fit"    many steps of EM, each with another covariance: measurements are made independent once (`ROTATED`)
 *   "solve"  one covariance: A A' is formed (`FORMED`)
 *   "apply"  the operator alone
 */
export type SystemUse = "fit" | "solve" | "apply";

/** Numbers in memory at once, about. */
const BATCH_NUMBERS = 2 ** 21;
/** Numbers of all batches together up to which they are kept from one pass to the next. */
const KEPT_NUMBERS = 2 ** 26;
/** Observations together, at most. */
const TOGETHER = 256;

/**
 * Operators that do not mix entries are read on the host; others are applied by the engine, which linearizes those that are
 * not linear at the mean that `residual` was last asked for.
 * @param most observations together
 */
export async function linearKind(
  kind: ObservationKind,
  most: number,
  engine: EngineOptions,
  use: SystemUse,
): Promise<LinearKind> {
  const M = sizeOf(kind.header.observationShape);
  const products = batchedProducts(engine);
  const within = (numbers: number) =>
    Math.max(1, Math.min(TOGETHER, most, Math.floor(BATCH_NUMBERS / numbers)));
  if (isPicked(kind))
    return {
      kind,
      batchSize: within(32 * M),
      isShared: false,
      batch: async (observations) => pickedBatch(kind, observations, products),
      products,
      release: products.release,
    };
  const make = {
    fit: () => denseBatches(kind, ROTATED, products, engine),
    solve: () => denseBatches(kind, FORMED, products, engine),
    apply: () => undefined,
  }[use];
  const dense = kind.family.linear === false ? undefined : make();
  const batchSize = within(Math.max(32 * M, dense?.numbers ?? 0));
  const applied = compileApplied(kind, batchSize, engine);
  return {
    kind,
    batchSize,
    isShared: (dense && kind.isShared) ?? false,
    batch: async (observations) => {
      const batch = await appliedBatch(applied, observations, products);
      if (dense) return await dense.batch(batch, observations);
      return use === "apply" ? batch : await withDiagonal(batch);
    },
    products,
    release: async () => {
      await products.release();
      await applied.release();
      await dense?.release();
    },
  };
}

/** A set of observations as linear systems. Release it when done. */
export interface LinearObservations {
  /** The batches of observations [start, end), kind by kind, with their numbers. */
  batches(
    range: readonly [number, number],
  ): AsyncGenerator<{ readonly numbers: Int32Array; readonly batch: LinearBatch }>;
  /** Whether an operator mixes entries. */
  readonly mixes: boolean;
  readonly products: Products;
  release(): Promise<void>;
}

/** The observations of a set; as many as there is room for are read once and kept. */
export async function linearObservations(
  set: ObservationSet,
  engine: EngineOptions,
  use: SystemUse,
): Promise<LinearObservations> {
  const linear: LinearKind[] = [];
  for (const { observations } of partsOf(set))
    linear.push(await linearKind(observations, observations.count, engine, use));
  const kept = new Map<string, LinearBatch>();
  let room = KEPT_NUMBERS;
  return {
    async *batches(range) {
      for (const { kind, observations, range: own, numbers } of kindsIn(set, range)) {
        const { batch: make, batchSize } = linear[kind]!;
        const [start, end] = own;
        for (let first = start; first < end; first += batchSize) {
          const stop = Math.min(first + batchSize, end);
          const key = `${kind} ${first} ${stop}`;
          let batch = kept.get(key);
          if (!batch) {
            batch = await make(await observations.read(first, stop));
            const size = numbersOf(batch, sizeOf(observations.header.latentShape));
            if (size <= room) {
              kept.set(key, batch);
              room -= size;
            }
          }
          yield { numbers: numbers.subarray(first - start, stop - start), batch };
        }
      }
    },
    mixes: linear.some(({ kind }) => !isPicked(kind)),
    products: linear[0]!.products,
    release: async () => {
      for (const kind of linear) await kind.release();
    },
  };
}

/** Numbers that a batch keeps, about. */
function numbersOf({ size: n, systems: s, rows: M, dense, gram }: LinearBatch, N: number): number {
  return n * (4 * M + N) + (dense ? s * M * (M + N) : 0) + (gram?.length ?? 0);
}
