/** Gaussian mixtures in float64 on the host: draws, moments and exact posteriors. Every truth of the battery is one. */
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from "ml-matrix";
import { float32 } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import type { Coordinates } from "../../src/data/observations/coordinates.ts";
import type { Mixture } from "../../src/diffusion/mixture.ts";

/** w N(m, Q' diag(v) Q) */
export interface Component {
  /** w; those of a mixture sum to 1. */
  readonly weight: number;
  /** m, [N] */
  readonly mean: Float64Array;
  /** v, [N] */
  readonly variances: Float64Array;
  /** Q, orthogonal [N, N]: its rows are the principal axes. Left out: the coordinate axes. */
  readonly axes?: Matrix;
}

/** One observation as a linear system: y = A x + n, n ~ N(0, S). */
export interface LinearSystem {
  /** [M, N] */
  readonly A: Matrix;
  /** [M, 1] */
  readonly y: Matrix;
  /** S, [M, M] */
  readonly noise: Matrix;
}

/** n draws, row-major [n, N]. */
export function drawMixture(components: readonly Component[], n: number, rng: Rng): Float32Array {
  const N = components[0]!.mean.length;
  const out = new Float32Array(n * N);
  const z = new Float64Array(N);
  for (let i = 0; i < n; i++) {
    const { mean, variances, axes } = pick(components, rng);
    for (let j = 0; j < N; j++) z[j] = Math.sqrt(variances[j]!) * rng.normal();
    for (let j = 0; j < N; j++) {
      let value = axes ? 0 : z[j]!;
      if (axes) for (let k = 0; k < N; k++) value += axes.get(k, j) * z[k]!;
      out[i * N + j] = mean[j]! + value;
    }
  }
  return out;
}

function pick(components: readonly Component[], rng: Rng): Component {
  let left = rng.uniform();
  const found = components.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
  return found ?? components.at(-1)!;
}

/** Q' diag(v) Q, [N, N] */
export function covarianceOf({ variances, axes }: Component): Matrix {
  const D = Matrix.diag([...variances]);
  return axes ? axes.transpose().mmul(D).mmul(axes) : D;
}

/** Mean [N] and covariance [N, N] of the mixture. */
export function momentsOfMixture(components: readonly Component[]): {
  mean: Float64Array;
  covariance: Matrix;
} {
  const N = components[0]!.mean.length;
  const mean = new Float64Array(N);
  for (const { weight, mean: own } of components) for (let j = 0; j < N; j++) mean[j]! += weight * own[j]!;
  const covariance = Matrix.zeros(N, N);
  for (const component of components) {
    const offset = Matrix.columnVector([...component.mean]).sub(Matrix.columnVector([...mean]));
    covariance.add(covarianceOf(component).add(offset.mmul(offset.transpose())).mul(component.weight));
  }
  return { mean, covariance };
}

/** Mean and variances of an exact posterior, [N] each. */
export interface PosteriorMoments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/**
 * The exact posterior's moments as a function of the observation: component k has, with S_k = A C_k A' + S,
 *   weight ~ w_k N(y | A m_k, S_k),   mean m_k + C_k A' S_k^-1 (y - A m_k),   covariance C_k - C_k A' S_k^-1 A C_k.
 */
export function posteriorOf(components: readonly Component[]): (system: LinearSystem) => PosteriorMoments {
  const all = components.map((component) => ({
    logWeight: Math.log(component.weight),
    mean: Matrix.columnVector([...component.mean]),
    covariance: covarianceOf(component),
  }));
  return ({ A, y, noise }) => {
    const conditioned = all.map(({ logWeight, mean, covariance }) => {
      const cross = covariance.mmul(A.transpose());
      const cholesky = new CholeskyDecomposition(symmetric(A.mmul(cross).add(noise)));
      const offset = Matrix.sub(y, A.mmul(mean));
      const solved = cholesky.solve(offset);
      const gain = cholesky.solve(cross.transpose());
      return {
        log: logWeight - 0.5 * offset.transpose().mmul(solved).get(0, 0) - logDiagonal(cholesky),
        mean: Matrix.add(mean, cross.mmul(solved)).to1DArray(),
        variance: mean.to1DArray().map((_, j) => covariance.get(j, j) - dot(cross, gain, j)),
      };
    });
    const top = Math.max(...conditioned.map(({ log }) => log));
    const shares = conditioned.map(({ log }) => Math.exp(log - top));
    const total = shares.reduce((a, b) => a + b, 0);
    const expectation = (value: (k: number, j: number) => number) =>
      Float64Array.from(conditioned[0]!.mean, (_, j) =>
        shares.reduce((sum, share, k) => sum + (share / total) * value(k, j), 0),
      );
    const mean = expectation((k, j) => conditioned[k]!.mean[j]!);
    const variance = expectation(
      (k, j) => conditioned[k]!.variance[j]! + (conditioned[k]!.mean[j]! - mean[j]!) ** 2,
    );
    return { mean, variance };
  };
}

/** Products of matrices are symmetric to rounding only. */
function symmetric(S: Matrix): Matrix {
  return Matrix.add(S, S.transpose()).mul(0.5);
}

/** 1/2 ln det of the matrix that was factorized. */
function logDiagonal({ lowerTriangularMatrix: L }: CholeskyDecomposition): number {
  let sum = 0;
  for (let i = 0; i < L.rows; i++) sum += Math.log(L.get(i, i));
  return sum;
}

/** Row j of B [N, M] times column j of G [M, N]. */
function dot(B: Matrix, G: Matrix, j: number): number {
  let sum = 0;
  for (let m = 0; m < G.rows; m++) sum += B.get(j, m) * G.get(m, j);
  return sum;
}

/** The same mixture of z = (x - shift) / scale. */
export function mixtureInCoordinates(
  components: readonly Component[],
  { shift, scale }: Pick<Coordinates, "shift" | "scale">,
): Component[] {
  const inverse = Matrix.diag(Array.from(scale.data, (value) => 1 / value));
  return components.map((component) => {
    const { weight } = component;
    const mean = component.mean.map((value, j) => (value - shift.data[j]!) / scale.data[j]!);
    const covariance = inverse.mmul(covarianceOf(component)).mmul(inverse);
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(covariance, {
      assumeSymmetric: true,
    });
    const variances = Float64Array.from(realEigenvalues, (value) => Math.max(value, 0));
    return { weight, mean, variances, axes: eigenvectorMatrix.transpose() };
  });
}

/** The mixture for `mixtureDenoiser`. */
export function asMixture(components: readonly Component[]): Mixture {
  const K = components.length;
  const N = components[0]!.mean.length;
  const isTurned = components.some(({ axes }) => axes);
  const all = (of: (component: Component) => Iterable<number>) => components.flatMap((c) => [...of(c)]);
  return {
    weights: float32(components.map(({ weight }) => weight)),
    means: float32(
      all(({ mean }) => mean),
      [K, N],
    ),
    variances: float32(
      all(({ variances }) => variances),
      [K, N],
    ),
    ...(isTurned && {
      axes: float32(
        all(({ axes }) => (axes ?? Matrix.eye(N)).to1DArray()),
        [K, N, N],
      ),
    }),
  };
}
