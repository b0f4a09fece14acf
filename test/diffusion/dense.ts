/** Gaussians in float64, written as the definitions read: what the float32 graphs are compared with. */

import { inverse, Matrix } from "ml-matrix";
import { float32 } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import type { Gaussian } from "../../src/diffusion/gaussian.ts";
import { normals } from "./support.ts";

/** A column vector. */
export function column(values: ArrayLike<number>): Matrix {
  return Matrix.columnVector(Array.from(values));
}

/** A matrix from its elements, row by row. */
export function fromRows(values: ArrayLike<number>, rows: number, columns: number): Matrix {
  return Matrix.from1DArray(rows, columns, Array.from(values));
}

/** diag(diagonal) + factor factor'. */
export function covarianceOf({ diagonal, factor }: Gaussian): Matrix {
  const [N, rank] = factor.shape as [number, number];
  const U = fromRows(factor.data, N, rank);
  return Matrix.diag(Array.from(diagonal.data)).add(U.mmul(U.transpose()));
}

/** Sigma (Sigma + sigma^2 I)^-1. */
export function shrinkage(covariance: Matrix, sigma: number): Matrix {
  const noisy = Matrix.eye(covariance.rows)
    .mul(sigma ** 2)
    .add(covariance);
  return covariance.mmul(inverse(noisy));
}

/** A Gaussian whose variances span `spread` (largest to smallest) besides a random factor. */
export function randomGaussian(rng: Rng, N: number, rank: number, spread: number): Gaussian {
  return {
    mean: normals(rng, [N]),
    diagonal: float32(Array.from({ length: N }, (_, i) => spread ** (-i / (N - 1)))),
    factor: normals(rng, [N, rank]),
  };
}

/** Mean and covariance of x given y = A x + noise, for x ~ N(mean, covariance) and noise ~ N(0, noiseCovariance). */
export function conditional(
  mean: Matrix,
  covariance: Matrix,
  A: Matrix,
  noiseCovariance: Matrix,
  y: Matrix,
): { mean: Matrix; covariance: Matrix } {
  const S = A.mmul(covariance).mmul(A.transpose()).add(noiseCovariance);
  const gain = covariance.mmul(A.transpose()).mmul(inverse(S));
  return {
    mean: Matrix.add(mean, gain.mmul(Matrix.sub(y, A.mmul(mean)))),
    covariance: Matrix.sub(covariance, gain.mmul(A).mmul(covariance)),
  };
}
