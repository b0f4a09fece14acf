import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { float32, type HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import type { Observations } from "../../src/data/observations/observations.ts";
import type { Gaussian } from "../../src/diffusion/gaussian.ts";
import type { Mixture } from "../../src/diffusion/mixture.ts";
import { choleskyFactor, logDeterminant } from "../../src/gaussian/dense.ts";
import { randomAxes } from "../diffusion/mixtures.ts";
import { maskedObservations, matrixObservations, observe } from "../em/observations-in-memory.ts";

/** Priors whose evidence has a closed form: mixtures of K Gaussians, one component being a Gaussian. */
export function randomMixture(rng: Rng, K: number, N: number): Mixture {
  const spread = K > 1 ? 1.5 / Math.sqrt(N) : 0.3;
  return {
    weights: float32(Array.from({ length: K }, (_, k) => (2 * (k + 1)) / (K * (K + 1)))),
    means: float32(
      Float32Array.from({ length: K * N }, () => spread * rng.normal()),
      [K, N],
    ),
    variances: float32(
      Float32Array.from({ length: K * N }, (_, at) => 0.02 + 0.5 * Math.exp(-(at % N))),
      [K, N],
    ),
    axes: randomAxes(rng, K, N),
  };
}

const covarianceOf = ({ means, variances, axes }: Mixture, k: number): Matrix => {
  const N = means.shape[1]!;
  const part = (array: HostArray, size: number) =>
    Array.from({ length: size }, (_, at) => Number(array.data[k * size + at]!));
  const Q = Matrix.from1DArray(N, N, part(axes!, N * N));
  return Q.transpose()
    .mmul(Matrix.diag(part(variances, N)))
    .mmul(Q);
};

const meanOf = ({ means }: Mixture, k: number): Matrix => {
  const N = means.shape[1]!;
  return Matrix.columnVector(Array.from({ length: N }, (_, j) => means.data[k * N + j]!));
};

/** n draws, [n, N]. */
export function drawMixture(mixture: Mixture, rng: Rng, n: number): HostArray<"float32"> {
  const [K, N] = mixture.means.shape as [number, number];
  const out = new Float32Array(n * N);
  const { data: Q } = mixture.axes!;
  for (let i = 0; i < n; i++) {
    const u = rng.uniform();
    let [k, reached] = [0, mixture.weights.data[0]!];
    while (u > reached && k + 1 < K) reached += mixture.weights.data[++k]!;
    for (let j = 0; j < N; j++) out[i * N + j] = mixture.means.data[k * N + j]!;
    for (let a = 0; a < N; a++) {
      const along = Math.sqrt(mixture.variances.data[k * N + a]!) * rng.normal();
      for (let j = 0; j < N; j++) out[i * N + j]! += along * Q[(k * N + a) * N + j]!;
    }
  }
  return float32(out, [n, N]);
}

/** The Gaussian of the mixture's mean and covariance, its smallest directions made alike: D I + U U' of rank r. */
export function gaussianOf(mixture: Mixture, r: number): Gaussian {
  const [K, N] = mixture.means.shape as [number, number];
  const w = Array.from(mixture.weights.data);
  const mean = w.reduce((sum, own, k) => sum.add(meanOf(mixture, k).mul(own)), Matrix.zeros(N, 1));
  let covariance = Matrix.zeros(N, N);
  for (let k = 0; k < K; k++) {
    const off = Matrix.sub(meanOf(mixture, k), mean);
    covariance = covariance.add(covarianceOf(mixture, k).add(off.mmul(off.transpose())).mul(w[k]!));
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(covariance, {
    assumeSymmetric: true,
  });
  const order = realEigenvalues.map((_, a) => a).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  const rest = order.slice(r);
  const D = rest.reduce((sum, a) => sum + realEigenvalues[a]!, 0) / rest.length;
  return {
    mean: float32(Float32Array.from(mean.to1DArray())),
    diagonal: float32(new Float32Array(N).fill(D)),
    factor: float32(
      Float32Array.from({ length: N * r }, (_, at) => {
        const [j, a] = [Math.floor(at / r), order[at % r]!];
        return eigenvectorMatrix.get(j, a) * Math.sqrt(Math.max(realEigenvalues[a]! - D, 0));
      }),
      [N, r],
    ),
  };
}

/** y = A x + noise through a matrix [M, N] each, or through a mask that shows about half; and the matrices A of what is seen. */
export function observed(
  x: HostArray<"float32">,
  kind: "mask" | "matrix",
  variance: number,
  rng: Rng,
): { observations: Observations; operators: Matrix[]; seen: Matrix[] } {
  const [n, N] = x.shape as [number, number];
  const noise = () => Math.sqrt(variance) * rng.normal();
  if (kind === "matrix") {
    const M = Math.max(1, N / 2);
    const A = float32(
      Float32Array.from({ length: n * M * N }, () => rng.normal() / Math.sqrt(N)),
      [n, M, N],
    );
    const y = observe(x, A, noise);
    const rows = (data: Float32Array, i: number, from: number, to: number) =>
      Matrix.from1DArray(from, to, Array.from(data.subarray(i * from * to, (i + 1) * from * to)));
    return {
      observations: matrixObservations(y, A, variance),
      operators: Array.from({ length: n }, (_, i) => rows(A.data, i, M, N)),
      seen: Array.from({ length: n }, (_, i) => rows(y.data, i, M, 1)),
    };
  }
  const mask = float32(
    Float32Array.from({ length: n * N }, (_, at) => Number(at % N === 0 || rng.uniform() < 0.5)),
    [n, N],
  );
  const y = float32(
    x.data.map((value, at) => mask.data[at]! * (value + noise())),
    [n, N],
  );
  const shown = (i: number) =>
    Array.from({ length: N }, (_, j) => j).filter((j) => mask.data[i * N + j] === 1);
  return {
    observations: maskedObservations(y, mask, variance),
    operators: Array.from({ length: n }, (_, i) => Matrix.eye(N).subMatrixRow(shown(i))),
    seen: Array.from({ length: n }, (_, i) => Matrix.columnVector(shown(i).map((j) => y.data[i * N + j]!))),
  };
}

/** ln sum_k w_k N(y; A m_k, A S_k A' + variance I) by dense algebra. */
export function mixtureEvidence(mixture: Mixture, A: Matrix, y: Matrix, variance: number): number {
  const terms = Array.from(mixture.weights.data, (weight, k) => {
    const S = A.mmul(covarianceOf(mixture, k)).mmul(A.transpose()).add(Matrix.eye(A.rows).mul(variance));
    const r = Matrix.sub(y, A.mmul(meanOf(mixture, k)));
    const L = choleskyFactor(Float64Array.from(S.to1DArray()), A.rows)!;
    const z = new Float64Array(A.rows);
    for (let i = 0; i < A.rows; i++) {
      let value = r.get(i, 0);
      for (let j = 0; j < i; j++) value -= L[i * A.rows + j]! * z[j]!;
      z[i] = value / L[i * A.rows + i]!;
    }
    const square = z.reduce((sum, value) => sum + value ** 2, 0);
    return Math.log(weight) - 0.5 * (square + logDeterminant(L, A.rows) + A.rows * Math.log(2 * Math.PI));
  });
  const top = Math.max(...terms);
  return top + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - top), 0));
}
