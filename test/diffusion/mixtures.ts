import { Matrix, QrDecomposition } from "ml-matrix";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Mixture } from "../../src/diffusion/mixture.ts";
import { column, fromRows, shrinkage } from "./dense.ts";
import { normals } from "./support.ts";

/** One orthogonal matrix per component. */
export function randomAxes(rng: Rng, K: number, N: number): HostArray<"float32"> {
  const turns = Array.from({ length: K }, () =>
    new QrDecomposition(fromRows(normals(rng, [N, N]).data, N, N)).orthogonalMatrix.to1DArray(),
  );
  return float32(turns.flat(), [K, N, N]);
}

/** Three components on four features. */
export const MIXTURE: Mixture = {
  weights: float32([0.2, 0.5, 0.3]),
  means: normals(new Rng(21), [3, 4]),
  variances: float32(
    normals(new Rng(22), [3, 4]).data.map((z) => 0.3 * Math.exp(z)),
    [3, 4],
  ),
};
/** E[x | x_t] and V[x | x_t] of a mixture, in float64. */
export function mixtureMoments({ weights, means, variances, axes }: Mixture, x_t: Matrix, sigma: number) {
  const [K, N] = means.shape as [number, number];
  const parts = Array.from({ length: K }, (_, k) => {
    const m = column(means.data.subarray(k * N, (k + 1) * N));
    const Q = axes ? fromRows(axes.data.subarray(k * N * N, (k + 1) * N * N), N, N) : Matrix.eye(N);
    const S = Matrix.diag(Array.from(variances.data.subarray(k * N, (k + 1) * N)));
    const covariance = Q.transpose().mmul(S).mmul(Q);
    const shrunk = shrinkage(covariance, sigma);
    const offset = Matrix.sub(x_t, m);
    const along = Q.mmul(offset).to1DArray();
    const totals = S.diagonal().map((variance) => variance + sigma ** 2);
    const energy = along.reduce((sum, a, i) => sum + a ** 2 / totals[i]! + Math.log(totals[i]!), 0);
    return {
      logShare: Math.log(weights.data[k]!) - energy / 2,
      centre: Matrix.add(m, shrunk.mmul(offset)),
      spread: Matrix.mul(shrunk, sigma ** 2),
    };
  });
  const top = Math.max(...parts.map(({ logShare }) => logShare));
  const shares = parts.map(({ logShare }) => Math.exp(logShare - top));
  const total = shares.reduce((a, b) => a + b, 0);
  const mean = Matrix.zeros(N, 1);
  for (const [k, { centre }] of parts.entries()) mean.add(Matrix.mul(centre, shares[k]! / total));
  const covariance = Matrix.zeros(N, N);
  parts.forEach(({ centre, spread }, k) => {
    const offset = Matrix.sub(centre, mean);
    covariance.add(Matrix.add(spread, offset.mmul(offset.transpose())).mul(shares[k]! / total));
  });
  return { mean, covariance };
}
