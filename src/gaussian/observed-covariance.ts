import { NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { choleskyFactor, dotsOf, inverseOf, logDeterminant, solveFactored, sumsOf } from "./dense.ts";
import type { LinearBatch } from "./linear-observations.ts";
import { noiseFigures } from "./noise-figures.ts";
import { noiseDiagonal, solveNoise } from "./noise-system.ts";

/** A Gaussian N(mean, D I + U U') of N entries in float64. */
export interface GaussianModel {
  /** [N] */
  readonly mean: Float64Array;
  /** D, above 0. */
  readonly residual: number;
  /** U, [N, r]. */
  readonly factor: Float64Array;
  readonly rank: number;
}

/**
 * The covariances S = A (D I + U U') A' + Sigma_y of a batch of observations, ready to be solved. With V = [A U, L], L the
 * patterns of the noise, and E = diag(Sigma_y) + D A A', S = E + V V'.
 */
export interface ObservedCovariance {
  /** Of V, k. */
  readonly columns: number;
  /** [n, M, k] */
  readonly V: Float64Array;
  /** ln det S of each observation, over what was measured. */
  readonly logDeterminants: Float64Array;
  /** S^-1 b, [n, M]. */
  solve(b: Float64Array): Promise<Float64Array>;
  /** S^-1 V, [n, M, k], and tr A' S^-1 A of each. */
  moments(): Promise<{ readonly solvedV: Float64Array; readonly traces: Float64Array }>;
}

/**
 * @param rng of each observation, for the signs of probes where A A' is not diagonal: determinants and traces are estimates
 *   there, and NaN if it is left out
 */
export async function observedCovariance(
  batch: LinearBatch,
  { residual: D, factor, rank }: GaussianModel,
  rng?: (i: number) => Rng,
): Promise<ObservedCovariance> {
  const { patterns, patternCount: q } = batch;
  const AU = rank > 0 ? await batch.apply(factor, rank) : new Float64Array(0);
  const V = patterns ? beside(AU, rank, patterns, q) : AU;
  const k = rank + q;
  return batch.isDiagonal && batch.rows < k
    ? await measuredForm(batch, D, V, k)
    : await woodburyForm(batch, D, V, k, rng);
}

/** S itself, of the size of what is measured: less work where that is less than the columns of V. E is diagonal. */
async function measuredForm(
  batch: LinearBatch,
  D: number,
  V: Float64Array,
  k: number,
): Promise<ObservedCovariance> {
  const { size: n, rows: M, diagonal, products } = batch;
  const E = noiseDiagonal(batch, D);
  const turned = transposedEach(V, k, n);
  const S = await products.gram(turned, M, turned, M, n);
  for (let row = 0; row < n * M; row++) S[row * M + (row % M)]! += E[row]!;
  const factors = factorEach(S, M, n);
  return {
    columns: k,
    V,
    logDeterminants: withScales(batch, factors.logDeterminants),
    solve: async (b) => factors.solve(b),
    moments: async () => {
      const inverses = factors.invert();
      return {
        solvedV: await products.times(inverses, M, V, k, n),
        traces: sumsOf(
          diagonal.map((value, row) => value * inverses[row * M + (row % M)]!),
          n,
        ),
      };
    },
  };
}

/**
 * By the Woodbury identity, S^-1 = E^-1 - X K^-1 X' with X = E^-1 V and K = I + V' X. K is of the size of the rank and float64,
 * so that what is measured may be a million times as large as the noise.
 */
async function woodburyForm(
  batch: LinearBatch,
  D: number,
  V: Float64Array,
  k: number,
  rng: ((i: number) => Rng) | undefined,
): Promise<ObservedCovariance> {
  const { size: n, products } = batch;
  const { solution: X, normal } = await solveNoise(batch, D, V, k);
  const noise = await noiseFigures(batch, D, rng);
  const K = await products.gram(V, k, X, k, n);
  for (let row = 0; row < n * k; row++) K[row * k + (row % k)]! += 1;
  const factors = factorEach(K, k, n);
  return {
    columns: k,
    V,
    logDeterminants: withScales(
      batch,
      factors.logDeterminants.map((value, i) => value + noise.logDeterminants[i]!),
    ),
    solve: async (b) => {
      const { solution } = await solveNoise(batch, D, b, 1);
      if (k === 0) return solution;
      const inside = await products.gram(V, k, solution, 1, n);
      const taken = await products.times(X, k, factors.solve(inside), 1, n);
      return solution.map((value, row) => value - taken[row]!);
    },
    moments: async () => {
      // S^-1 V = X K^-1, and tr A' S^-1 A = tr A' E^-1 A - tr (X K^-1)' A A' X.
      const solvedV = k > 0 ? await products.times(X, k, factors.invert(), k, n) : X;
      const taken = dotsOf(solvedV, normal(), n);
      return { solvedV, traces: noise.traces.map((value, i) => value - taken[i]!) };
    },
  };
}

/** ln det in the observation's own variables. */
function withScales({ logScales }: LinearBatch, logDeterminants: Float64Array): Float64Array {
  return logDeterminants.map((value, i) => value + (logScales?.[i] ?? 0));
}

/** n symmetric positive definite matrices [n, k, k], factored. */
interface Factors {
  /** ln det of each. */
  readonly logDeterminants: Float64Array;
  /** Solutions for b [n, k]. */
  solve(b: Float64Array): Float64Array;
  /** Inverses, [n, k, k]: three times the work of the factors, which a likelihood does without. */
  invert(): Float64Array;
}

/** Factors in the place of the matrices. @throws NumericalError if one is not positive definite to rounding */
function factorEach(K: Float64Array, k: number, n: number): Factors {
  const part = (array: Float64Array, i: number, size: number) => array.subarray(i * size, (i + 1) * size);
  const logDeterminants = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const own = part(K, i, k * k);
    for (let a = 0; a < k; a++)
      for (let b = 0; b < a; b++) own[a * k + b] = (own[a * k + b]! + own[b * k + a]!) / 2;
    const L = choleskyFactor(own, k);
    if (!L)
      throw new NumericalError(
        "Gaussian: the covariance of an observation is not positive definite. Check its noise variance and operator for values beyond the range of float32.",
      );
    logDeterminants[i] = logDeterminant(L, k);
    own.set(L);
  }
  return {
    logDeterminants,
    solve: (b) => {
      const out = new Float64Array(n * k);
      for (let i = 0; i < n; i++) out.set(solveFactored(part(K, i, k * k), part(b, i, k)), i * k);
      return out;
    },
    invert: () => {
      const out = new Float64Array(n * k * k);
      for (let i = 0; i < n; i++) out.set(inverseOf(part(K, i, k * k), k), i * k * k);
      return out;
    },
  };
}

/** V' of each, [n, k, M], of V [n, M, k]. */
function transposedEach(V: Float64Array, k: number, n: number): Float64Array {
  const M = V.length / (n * k);
  const out = new Float64Array(V.length);
  for (let i = 0, from = 0; i < n; i++)
    for (let m = 0; m < M; m++) for (let a = 0; a < k; a++, from++) out[(i * k + a) * M + m] = V[from]!;
  return out;
}

/** [left, right], row by row; of [rows, l] and [rows, r]. */
function beside(left: Float64Array, l: number, right: Float64Array, r: number): Float64Array {
  const rows = right.length / r;
  const out = new Float64Array(rows * (l + r));
  for (let m = 0; m < rows; m++) {
    out.set(left.subarray(m * l, (m + 1) * l), m * (l + r));
    out.set(right.subarray(m * r, (m + 1) * r), m * (l + r) + l);
  }
  return out;
}
