import { sizeOf } from "../core/shape.ts";
import type { ObservationBatch } from "../data/observations/observation-check.ts";
import type { ObservationKind } from "../data/observations/observation-kind.ts";
import { kindsIn, kindsOf, type ObservationSet, partsOf } from "../data/observations/observation-set.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { appliedBatch, compileApplied } from "./applied.ts";
import { isPicked, pickedBatch } from "./picked.ts";
import { batchedProducts, type Products } from "./products.ts";
import { isSmall, rotatedBatch, rotatedNumbers } from "./rotated.ts";

/**
 * n observations y = A x + n as linear systems, in float64. Their numbers fill M rows each; where a mask hides some, or
 * others of the batch have more, A is zero in a row, the noise's variance 1 and the residual 0, and nothing follows from it.
 * Arrays lie one observation after the other, matrices row by row.
 */
export interface LinearBatch {
  /** Number of observations, n. */
  readonly size: number;
  /** Rows of each, M. */
  readonly rows: number;
  /** Rows of each that do not depend on the others of the batch: the first ones. */
  readonly ownRows: readonly number[];
  /** Numbers that were measured, of each observation. */
  readonly measured: readonly number[];
  /** Diagonal of Sigma_y, [n, M]. */
  readonly variance: Float64Array;
  /** Patterns L of the noise, [n, M, q], if there are any. */
  readonly patterns: Float64Array | undefined;
  readonly patternCount: number;
  /** y - A mean, [n, M]. */
  residual(mean: Float64Array): Promise<Float64Array>;
  /** A C for the columns C [N, k] of all, [n, M, k]. */
  apply(columns: Float64Array, k: number): Promise<Float64Array>;
  /** A x for a latent of each, [n, M]. @param latents [n, N] */
  applyEach(latents: Float64Array): Promise<Float64Array>;
  /** A' v, [n, N]. @param v [n, M] */
  pullEach(v: Float64Array): Promise<Float64Array>;
  /** The sum over observations of A' Y, Y [n, M, k], added to `into` [N, k]. */
  addPulled(Y: Float64Array, k: number, into: Float64Array): Promise<void>;
  /** A A' P, [n, M, k]. */
  normal(P: Float64Array, k: number): Promise<Float64Array>;
  /** The diagonal of A A', [n, M]; an estimate where A A' has other entries too. */
  readonly diagonal: Float64Array;
  /** Whether A A' has no other entries. */
  readonly isDiagonal: boolean;
  readonly products: Products;
  /** ln det of the change of variables, if y was changed: what the ln det of its covariance lacks. */
  readonly logScales?: readonly number[];
}

/** Makes linear systems of observations of one kind. Release it when done. */
export interface LinearKind {
  readonly kind: ObservationKind;
  /** Observations that a batch holds at most. */
  readonly batchSize: number;
  batch(observations: ObservationBatch): Promise<LinearBatch>;
  readonly products: Products;
  release(): Promise<void>;
}

/** Numbers in memory at once, about. */
const BATCH_NUMBERS = 2 ** 21;
/** Numbers of all batches together up to which they are kept from one pass to the next. */
const KEPT_NUMBERS = 2 ** 26;

/**
 * Operators that do not mix entries are read on the host; others are applied by the engine, which linearizes those that are
 * not linear at the mean that `residual` was last asked for.
 * @param most observations together
 * @param turned whether small operators that mix entries are made independent measurements, which takes a while
 */
export async function linearKind(
  kind: ObservationKind,
  most: number,
  engine: EngineOptions,
  turned = true,
): Promise<LinearKind> {
  const M = sizeOf(kind.header.observationShape);
  const N = sizeOf(kind.header.latentShape);
  const batchSize = Math.max(1, Math.min(256, most, Math.floor(BATCH_NUMBERS / (32 * M))));
  const products = batchedProducts(engine);
  if (isPicked(kind))
    return {
      kind,
      batchSize,
      batch: async (observations) => pickedBatch(kind, observations, products),
      products,
      release: products.release,
    };
  const applied = compileApplied(kind, batchSize, engine);
  return {
    kind,
    batchSize,
    batch: async (observations) => {
      const batch = await appliedBatch(applied, observations, products);
      const isTurned = turned && isSmall(M, N, KEPT_NUMBERS / most) && kind.family.linear !== false;
      return isTurned ? await rotatedBatch(batch, N) : batch;
    },
    products,
    release: async () => {
      await products.release();
      await applied.release();
    },
  };
}

/** A set of observations as linear systems. Release it when done. */
export interface LinearObservations {
  /** The batches of observations [start, end), kind by kind, with their numbers. */
  batches(
    range: readonly [number, number],
  ): AsyncGenerator<{ readonly numbers: Int32Array; readonly batch: LinearBatch }>;
  readonly products: Products;
  release(): Promise<void>;
}

/** The observations of a set; few are read once and kept. */
export async function linearObservations(
  set: ObservationSet,
  engine: EngineOptions,
  turned = true,
): Promise<LinearObservations> {
  const linear: LinearKind[] = [];
  for (const { observations } of partsOf(set))
    linear.push(await linearKind(observations, observations.count, engine, turned));
  const size = kindsOf(set).reduce(
    (total, { observations, numbers }) => total + numbers.length * numbersOf(observations),
    0,
  );
  const kept = new Map<string, LinearBatch>();
  return {
    async *batches(range) {
      for (const { kind, observations, range: own, numbers } of kindsIn(set, range)) {
        const { batch: make, batchSize } = linear[kind]!;
        const [start, end] = own;
        for (let first = start; first < end; first += batchSize) {
          const stop = Math.min(first + batchSize, end);
          const key = `${kind} ${first} ${stop}`;
          const batch = kept.get(key) ?? (await make(await observations.read(first, stop)));
          if (size <= KEPT_NUMBERS) kept.set(key, batch);
          yield { numbers: numbers.subarray(first - start, stop - start), batch };
        }
      }
    },
    products: linear[0]!.products,
    release: async () => {
      for (const kind of linear) await kind.release();
    },
  };
}

/** Numbers that a batch keeps of each observation, about. */
function numbersOf(kind: ObservationKind & { readonly count: number }): number {
  const [M, N] = [sizeOf(kind.header.observationShape), sizeOf(kind.header.latentShape)];
  return !isPicked(kind) && isSmall(M, N, KEPT_NUMBERS / kind.count) ? rotatedNumbers(M, N) : 4 * M + N;
}
