/** The covariance of the whole prior, and what the usual heuristic makes of it. */
import { inverse, Matrix } from "ml-matrix";
import type { IsotropicMixture } from "../../src/diffusion/isotropic-mixture.ts";

/** Sigma_x = s^2 I + covariance of the means. */
export function covarianceOf({ means, dimensions: N, variance }: IsotropicMixture): Matrix {
  const m = Matrix.from1DArray(means.length / N, N, means);
  const centred = m.subRowVector(m.mean("column"));
  return centred.transpose().mmul(centred).div(m.rows).add(Matrix.eye(N).mul(variance));
}

/** a' (Sigma_x^-1 + sigma_t^-2 I)^-1 a */
export function combinedVariance(covariance: Matrix, a: Float64Array, sigma_t: number): number {
  const column = Matrix.columnVector(Array.from(a));
  const precision = inverse(covariance).add(Matrix.eye(covariance.rows).div(sigma_t ** 2));
  return column.transpose().mmul(inverse(precision)).mmul(column).get(0, 0);
}
