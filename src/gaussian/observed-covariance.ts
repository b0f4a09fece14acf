import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import {
  addGram,
  choleskyFactor,
  crossGram,
  dotProduct,
  inverseOf,
  logDeterminant,
  timesVector,
  transposedTimes,
} from "./dense.ts";
import type { LinearBatch } from "./linear-observations.ts";
import { noiseDiagonal, type Step, solveNoise } from "./noise-system.ts";
import { signsLike } from "./signs.ts";

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
  readonly columns: number;
  readonly V: readonly Float64Array[];
  readonly X: readonly Float64Array[];
  /** K^-1, [columns, columns] each. */
  readonly inverses: readonly Float64Array[];
  /** ln det S of each observation, over what was measured. */
  readonly logDeterminants: readonly number[];
  /** tr A' E^-1 A of each, and A A' X, [M, columns]: tr A' S^-1 A is the first less that of (X K^-1)' A A' X. */
  readonly noiseTraces: readonly number[];
  readonly normal: readonly Float64Array[];
  /** S^-1 b of each. */
  solve(b: readonly Float64Array[]): Promise<Float64Array[]>;
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
  const { patterns, patternCount } = batch;
  const k = rank + patternCount;
  const AU = rank > 0 ? await batch.apply(factor, rank) : batch.variance.map(() => new Float64Array(0));
  const V = patterns ? AU.map((own, i) => beside(own, rank, patterns[i]!, patternCount)) : AU;
  const { solution: X, normal } = await solveNoise(batch, D, V, k);
  const { logDeterminants, traces } =
    batch.isDiagonal || rng ? await ofNoise(batch, D, rng) : unknown(batch.size);
  const E = noiseDiagonal(batch, D);
  const inverses = V.map((own, i) => {
    const K = new Float64Array(k * k);
    if (batch.isDiagonal) {
      addGram(
        own,
        E[i]!.map((value) => 1 / value),
        k,
        K,
      );
    } else {
      const product = crossGram(own, k, X[i]!, k);
      for (let a = 0; a < k; a++)
        for (let b = 0; b < k; b++) K[a * k + b] = (product[a * k + b]! + product[b * k + a]!) / 2;
    }
    for (let a = 0; a < k; a++) K[a * k + a]! += 1;
    const L = choleskyFactor(K, k);
    if (!L)
      throw new NumericalError(
        "Gaussian: the covariance of an observation is not positive definite. Check its noise variance and operator for values beyond the range of float32.",
      );
    logDeterminants[i]! += logDeterminant(L, k) + (batch.logScales?.[i] ?? 0);
    return inverseOf(L, k);
  });
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
      return solution.map((own, i) => {
        const t = transposedTimes(V[i]!, k, own);
        const taken = timesVector(X[i]!, timesVector(inverses[i]!, t));
        return own.map((value, m) => value - taken[m]!);
      });
    },
  };
}

function unknown(size: number) {
  const values = () => Array.from({ length: size }, () => Number.NaN);
  return { logDeterminants: values(), traces: values() };
}

function beside(left: Float64Array, l: number, right: Float64Array, r: number): Float64Array {
  const M = right.length / r;
  const out = new Float64Array(M * (l + r));
  for (let m = 0; m < M; m++) {
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
): Promise<{ logDeterminants: number[]; traces: number[] }> {
  const { diagonal } = batch;
  const P = noiseDiagonal(batch, D);
  const logs = (values: Float64Array) => values.reduce((total, value) => total + Math.log(value), 0);
  if (batch.isDiagonal)
    return {
      logDeterminants: P.map(logs),
      traces: P.map((own, i) => own.reduce((total, value, m) => total + diagonal[i]![m]! / value, 0)),
    };
  const signs = signsLike(P, rng!);
  const probes = P.map((own, i) => own.map((value, m) => Math.sqrt(value) * signs[i]![m]!));
  const { normal, course } = await solveNoise(batch, D, probes, 1);
  return {
    logDeterminants: P.map((own, i) => logs(own) + own.length * quadrature(course![i]![0]!, Math.log)),
    traces: normal.map((own, i) =>
      dotProduct(
        own,
        P[i]!.map((value, m) => signs[i]![m]! / Math.sqrt(value)),
      ),
    ),
  };
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
