import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { choleskyFactor, inverseOf, logDeterminant } from "./dense.ts";
import type { LinearBatch } from "./linear-observations.ts";
import { noiseDiagonal, type Step, solveNoise } from "./noise-system.ts";
import { signsOf } from "./signs.ts";

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
 * The covariances S = A (D I + U U') A' + Sigma_y of a batch of observations, ready to be solved. With V = [A U, L] (L the
 * patterns of the noise) and E = diag(Sigma_y) + D A A',
 *   S = E + V V',   S^-1 = E^-1 - X K^-1 X',   X = E^-1 V,   K = I + V' X          (Woodbury)
 * K is of the size of the rank and float64, so that what is measured may be a million times as large as the noise.
 */
export interface ObservedCovariance {
  /** Of V, k. */
  readonly columns: number;
  /** [n, M, k], both. */
  readonly V: Float64Array;
  readonly X: Float64Array;
  /** K^-1, [n, k, k]. */
  readonly inverses: Float64Array;
  /** ln det S of each observation, over what was measured. */
  readonly logDeterminants: Float64Array;
  /** tr A' E^-1 A of each, and A A' X, [n, M, k]: tr A' S^-1 A is the first less that of (X K^-1)' A A' X. */
  readonly noiseTraces: Float64Array;
  readonly normal: Float64Array;
  /** S^-1 b, [n, M]. */
  solve(b: Float64Array): Promise<Float64Array>;
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
  const { size: n, patterns, patternCount: q, products } = batch;
  const k = rank + q;
  const AU = rank > 0 ? await batch.apply(factor, rank) : new Float64Array(0);
  const V = patterns ? beside(AU, rank, patterns, q) : AU;
  const { solution: X, normal } = await solveNoise(batch, D, V, k);
  const { logDeterminants, traces } = batch.isDiagonal || rng ? await ofNoise(batch, D, rng) : unknown(n);
  const inverses = await products.gram(V, k, X, k, n);
  for (let i = 0; i < n; i++) {
    const K = inverses.subarray(i * k * k, (i + 1) * k * k);
    for (let a = 0; a < k; a++) {
      for (let b = 0; b < a; b++) K[a * k + b] = (K[a * k + b]! + K[b * k + a]!) / 2;
      K[a * k + a]! += 1;
    }
    const L = choleskyFactor(K, k);
    if (!L)
      throw new NumericalError(
        "Gaussian: the covariance of an observation is not positive definite. Check its noise variance and operator for values beyond the range of float32.",
      );
    logDeterminants[i]! += logDeterminant(L, k) + (batch.logScales?.[i] ?? 0);
    K.set(inverseOf(L, k));
  }
  return {
    columns: k,
    V,
    X,
    inverses,
    logDeterminants,
    noiseTraces: traces,
    normal,
    solve: async (b) => {
      const { solution } = await solveNoise(batch, D, b, 1);
      if (k === 0) return solution;
      const inside = await products.gram(V, k, solution, 1, n);
      const taken = await products.times(X, k, await products.times(inverses, k, inside, 1, n), 1, n);
      return solution.map((value, row) => value - taken[row]!);
    },
  };
}

function unknown(n: number) {
  const values = () => new Float64Array(n).fill(Number.NaN);
  return { logDeterminants: values(), traces: values() };
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

/**
 * ln det E and tr A' E^-1 A of each observation: sums where A A' is diagonal, else by stochastic Lanczos quadrature
 * [Ubaru17] from one probe P^1/2 z of signs z, P the diagonal of E: the steps of conjugate gradients are its Lanczos matrix.
 */
async function ofNoise(
  batch: LinearBatch,
  D: number,
  rng: ((i: number) => Rng) | undefined,
): Promise<{ logDeterminants: Float64Array; traces: Float64Array }> {
  const { size: n, rows: M, diagonal } = batch;
  const P = noiseDiagonal(batch, D);
  const logDeterminants = sumsOf(P.map(Math.log), n);
  if (batch.isDiagonal)
    return {
      logDeterminants,
      traces: sumsOf(
        P.map((value, row) => diagonal[row]! / value),
        n,
      ),
    };
  const signs = signsOf(n, M, rng!);
  const probes = P.map((value, row) => Math.sqrt(value) * signs[row]!);
  const { normal, course } = await solveNoise(batch, D, probes, 1);
  return {
    logDeterminants: logDeterminants.map((value, i) => value + M * quadrature(course![i]![0]!, Math.log)),
    traces: sumsOf(
      normal.map((value, row) => (value * signs[row]!) / Math.sqrt(P[row]!)),
      n,
    ),
  };
}

/** Sums of n equal parts, [n]. */
export function sumsOf(values: Float64Array, n: number): Float64Array {
  const size = values.length / n;
  return Float64Array.from({ length: n }, (_, i) =>
    values.subarray(i * size, (i + 1) * size).reduce((total, value) => total + value, 0),
  );
}

/** e_1' f(T) e_1 of the Lanczos matrix T behind steps of conjugate gradients. */
function quadrature(steps: readonly Step[], f: (value: number) => number): number {
  const size = steps.length;
  if (size === 0) return f(1);
  const T = Matrix.zeros(size, size);
  for (const [j, { alpha, beta }] of steps.entries()) {
    const before = steps[j - 1];
    T.set(j, j, 1 / alpha + (before ? before.beta / before.alpha : 0));
    if (j + 1 < size) {
      const next = Math.sqrt(Math.max(beta, 0)) / alpha;
      T.set(j, j + 1, next);
      T.set(j + 1, j, next);
    }
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(T, { assumeSymmetric: true });
  return realEigenvalues.reduce(
    (total, value, j) => total + eigenvectorMatrix.get(0, j) ** 2 * f(Math.max(value, Number.EPSILON)),
    0,
  );
}
