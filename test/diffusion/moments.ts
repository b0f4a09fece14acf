import { CholeskyDecomposition, EigenvalueDecomposition, inverse, Matrix } from "ml-matrix";
import type { HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { SamplerName } from "../../src/diffusion/samplers.ts";

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
  const symmetric = Matrix.add(covariance, covariance.transpose()).div(2); // ml-matrix wants it to the last bit
  const whiten = inverse(new CholeskyDecomposition(symmetric).lowerTriangularMatrix);
  const white = centred.mmul(whiten.transpose());
  return {
    mean: white.mean("column"),
    covariance: white.transpose().mmul(white).div(n).to1DArray(),
  };
}

/**
 * Covariance of a sampler's draws with the exact denoiser of a Gaussian. It is linear, so each step maps the variance
 * along each eigenvector exactly, and the error of the discretization is known.
 */
export function predictedCovariance(
  sampler: SamplerName,
  levels: readonly number[],
  covariance: Matrix,
): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(covariance, {
    assumeSymmetric: true,
  });
  const variances = realEigenvalues.map((v) => predictedVariance(sampler, levels, v));
  return eigenvectorMatrix.mmul(Matrix.diag(variances)).mmul(eigenvectorMatrix.transpose());
}

function predictedVariance(sampler: SamplerName, levels: readonly number[], v: number): number {
  let P = levels[0]! ** 2;
  for (let k = 0; k + 1 < levels.length; k++) {
    const [t, s] = [levels[k]!, levels[k + 1]!];
    const tau = sampler === "ddpm" ? 1 - s ** 2 / t ** 2 : 1 - s / t;
    const factor = 1 - (tau * t ** 2) / (v + t ** 2);
    P = factor ** 2 * P + (sampler === "ddpm" ? s ** 2 * tau : 0);
  }
  return P;
}
