/** Figures of observations that are independent of each other, while the numbers of one are not. */

import { inverse, Matrix } from "ml-matrix";
import { fisherTail } from "./tails.ts";

/** A mean, and the standard error that values of n observations leave. */
export interface Estimate {
  readonly mean: number;
  readonly error: number;
  readonly freedom: number;
}

export function meanOf(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total / values.length;
}

/** The mean of one value from each observation; a single one leaves its error unknown. */
export function estimateOf(values: ArrayLike<number>): Estimate {
  const n = values.length;
  const mean = meanOf(values);
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i]! - mean) ** 2;
  return { mean, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : Number.POSITIVE_INFINITY, freedom: n - 1 };
}

/** f(mean of the rows) with its error by the jackknife: what f is without each observation in turn. */
export function jackknife(rows: readonly (readonly number[])[], f: (mean: number[]) => number): Estimate {
  const n = rows.length;
  const K = rows[0]!.length;
  const sums = Array.from({ length: K }, (_, k) => rows.reduce((total, row) => total + row[k]!, 0));
  const without = rows.map((row) => f(sums.map((sum, k) => (sum - row[k]!) / (n - 1))));
  const centre = meanOf(without);
  const squares = without.reduce((total, value) => total + (value - centre) ** 2, 0);
  return { mean: f(sums.map((sum) => sum / n)), error: Math.sqrt(((n - 1) / n) * squares), freedom: n - 1 };
}

/** Whether the mean of vectors, one from each observation, is zero. */
export interface VectorTest {
  readonly mean: readonly number[];
  readonly errors: readonly number[];
  /** |mean|^2 less what chance adds to it, and its standard error. */
  readonly squared: Estimate;
  /** Probability of a mean as far from zero by chance. */
  readonly probability: number;
}

/**
 * Hotelling's test. With the covariance C of n vectors of length K,
 *   T^2 = n m' C^-1 m,   (n - K) / (K (n - 1)) T^2 ~ F(K, n - K).
 * @param least variances of each entry of the mean times n, below which an estimate from few vectors is not believed
 */
export function vectorTest(rows: readonly (readonly number[])[], least: readonly number[]): VectorTest {
  const n = rows.length;
  const K = rows[0]!.length;
  const mean = Array.from({ length: K }, (_, k) => meanOf(rows.map((row) => row[k]!)));
  const C = Matrix.zeros(K, K);
  for (const row of rows)
    for (let a = 0; a < K; a++)
      for (let b = 0; b < K; b++)
        C.set(a, b, C.get(a, b) + ((row[a]! - mean[a]!) * (row[b]! - mean[b]!)) / (n - 1));
  for (let a = 0; a < K; a++) C.set(a, a, Math.max(C.get(a, a), least[a]!));
  const m = Matrix.columnVector(mean);
  const T = n * m.transpose().mmul(inverse(C)).mmul(m).get(0, 0);
  const spread = m.transpose().mmul(C).mmul(m).get(0, 0);
  return {
    mean,
    errors: mean.map((_, a) => Math.sqrt(C.get(a, a) / n)),
    squared: {
      mean: mean.reduce((sum, value) => sum + value * value, 0) - C.trace() / n,
      error: Math.sqrt((4 * spread) / n + (2 * C.clone().mmul(C).trace()) / n ** 2),
      freedom: n - 1,
    },
    probability: fisherTail(((n - K) / (K * (n - 1))) * T, K, n - K),
  };
}
