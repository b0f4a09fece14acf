import { NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import {
  beside,
  choleskyFactor,
  dotsOf,
  inverseOf,
  logDeterminant,
  solveFactored,
  sumsOf,
  transposedEach,
} from "./dense.ts";
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
 * The covariances S = A (D I + U U') A' + Sigma_y of a batch's s systems, ready to be solved. With V = [A U, L], L the
 * patterns of the noise, and E = diag(Sigma_y) + D A A', S = E + V V'.
 */
export interface ObservedCovariance {
  /** Of V, k. */
  readonly columns: number;
  /** [s, M, k] */
  readonly V: Float64Array;
  /** ln det S of each observation, over what was measured. */
  readonly logDeterminants: Float64Array;
  /** S^-1 b, [n, M]; with s = 1 of any number of observations. */
  solve(b: Float64Array): Promise<Float64Array>;
  /** S^-1 V, [s, M, k], and tr A' S^-1 A of each observation. */
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
  return batch.gram || (batch.isDiagonal && batch.rows < k)
    ? await measuredForm(batch, D, V, k)
    : await woodburyForm(batch, D, V, k, rng);
}

/** S itself, of the size of what is measured: where A A' was formed, or is diagonal and M less than the columns of V. */
async function measuredForm(
  batch: LinearBatch,
  D: number,
  V: Float64Array,
  k: number,
): Promise<ObservedCovariance> {
  const { systems: s, rows: M, variance, diagonal, gram, products } = batch;
  const turned = transposedEach(V, k, s);
  const S = k > 0 ? await products.gram(turned, M, turned, M, s) : new Float64Array(s * M * M);
  if (gram) for (let at = 0; at < S.length; at++) S[at]! += D * gram[at]!;
  const E = gram ? variance : noiseDiagonal(batch, D);
  for (let row = 0; row < s * M; row++) S[row * M + (row % M)]! += E[row]!;
  const factors = factorEach(S, M, s);
  return {
    columns: k,
    V,
    logDeterminants: withScales(batch, factors.logDeterminants),
    solve: async (b) => factors.solve(b),
    moments: async () => {
      const inverses = factors.invert();
      const onDiagonal = (_: unknown, row: number) => diagonal[row]! * inverses[row * M + (row % M)]!;
      const traces = gram
        ? dotsOf(inverses, gram, s)
        : sumsOf(Float64Array.from({ length: s * M }, onDiagonal), s);
      return { solvedV: await products.times(inverses, M, V, k, s), traces: ofEach(batch, traces) };
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
  const { systems: s, rows: M, products } = batch;
  const { solution: X, normal } = await solveNoise(batch, D, V, k);
  const noise = await noiseFigures(batch, D, rng);
  const K = await products.gram(V, k, X, k, s);
  for (let row = 0; row < s * k; row++) K[row * k + (row % k)]! += 1;
  const factors = factorEach(K, k, s);
  return {
    columns: k,
    V,
    logDeterminants: withScales(
      batch,
      ofEach(batch, factors.logDeterminants).map((value, i) => value + noise.logDeterminants[i]!),
    ),
    solve: async (b) => {
      const { solution } = await solveNoise(batch, D, b, 1);
      if (k === 0) return solution;
      const c = b.length / (s * M);
      const inside = factors.solve(await products.times(solution, M, V, k, s));
      const taken = transposedEach(await products.times(X, k, transposedEach(inside, k, s), c, s), c, s);
      return solution.map((value, row) => value - taken[row]!);
    },
    moments: async () => {
      // S^-1 V = X K^-1, and tr A' S^-1 A = tr A' E^-1 A - tr (X K^-1)' A A' X.
      const solvedV = k > 0 ? await products.times(X, k, factors.invert(), k, s) : X;
      const taken = ofEach(batch, dotsOf(solvedV, normal(), s));
      return { solvedV, traces: noise.traces.map((value, i) => value - taken[i]!) };
    },
  };
}

/** What each system has, of each observation, [n]. */
function ofEach({ size: n, systems: s }: LinearBatch, values: Float64Array): Float64Array {
  return s === n ? values : new Float64Array(n).fill(values[0]!);
}

/** ln det in the observation's own variables, [n]. @param logDeterminants of systems or observations */
function withScales(batch: LinearBatch, logDeterminants: Float64Array): Float64Array {
  const each = logDeterminants.length === batch.size ? logDeterminants : ofEach(batch, logDeterminants);
  return each.map((value, i) => value + (batch.logScales?.[i] ?? 0));
}

/** n symmetric positive definite matrices [n, k, k], factored. */
interface Factors {
  /** ln det of each. */
  readonly logDeterminants: Float64Array;
  /** Solutions for vectors b [n, c, k]. */
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
      const c = b.length / (n * k);
      const out = new Float64Array(b.length);
      for (let row = 0; row < n * c; row++)
        out.set(solveFactored(part(K, Math.floor(row / c), k * k), part(b, row, k)), row * k);
      return out;
    },
    invert: () => {
      const out = new Float64Array(n * k * k);
      for (let i = 0; i < n; i++) out.set(inverseOf(part(K, i, k * k), k), i * k * k);
      return out;
    },
  };
}
