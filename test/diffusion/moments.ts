import { CholeskyDecomposition, inverse, Matrix } from "ml-matrix";
import type { HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";

/** One random stream per sample. */
export function streams(seed: number, count: number): Rng[] {
  return Array.from({ length: count }, (_, k) => new Rng(seed).split("sample", k));
}

/**
 * Mean and covariance (about the true mean) of draws after whitening by the true moments: 0 and I if they are right,
 * so that one bound serves directions of any scale.
 * @param draws [n, N]
 */
export function momentsOf(
  draws: HostArray<"float32">,
  mean: Matrix,
  covariance: Matrix,
): { mean: number[]; covariance: number[] } {
  const [n, N] = draws.shape as [number, number];
  const centred = Matrix.from1DArray(n, N, Array.from(draws.data)).subRowVector(mean.to1DArray());
  const whiten = inverse(new CholeskyDecomposition(covariance).lowerTriangularMatrix);
  const white = centred.mmul(whiten.transpose());
  return {
    mean: white.mean("column"),
    covariance: white.transpose().mmul(white).div(n).to1DArray(),
  };
}
