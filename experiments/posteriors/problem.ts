/** A Gaussian mixture in 16 dimensions, seen through 2 random directions, and its exact posterior. */
import { inverse, Matrix, QrDecomposition } from "ml-matrix";
import { float32, type HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import type { Mixture } from "../../src/diffusion/mixture.ts";

export const FEATURES = 16;
/** As many as a component has wide axes: each component can explain y at one place, so the posterior has many modes. */
export const MEASUREMENTS = 2;
export const NOISE = 0.01;
export const COMPONENTS = 24;
/**
 * Deviations along a component's own axes and of the means: pieces of a surface. A level sigma between thin and wide
 * sees V[x | x_t] ~ sigma^2 along 2 of 16 axes, so sigma^2 I is too wide by 8 in a random direction; thickness and
 * noise are those of the random curves of figure 2. Means lie closer than the pieces are wide, so that x_t tells the
 * components apart at small levels only: distances of means are some 1.4.
 */
const WIDE = 1;
const THIN = 0.01;
export const WIDE_AXES = 2;
const SPREAD = 0.25;

export interface Component {
  readonly logWeight: number;
  /** [N, 1] */
  readonly mean: Matrix;
  readonly covariance: Matrix;
}

/** One operator and what it saw of a draw from the prior. */
export interface Observation {
  /** [M, N], rows of length 1. */
  readonly A: Matrix;
  /** [M, 1] */
  readonly y: Matrix;
}

export function randomMatrix(rng: Rng, rows: number, columns: number): Matrix {
  return Matrix.from1DArray(
    rows,
    columns,
    Array.from({ length: rows * columns }, () => rng.normal()),
  );
}

/** The prior, with its axes. */
export function randomMixture(rng: Rng): Mixture {
  const axes = Array.from({ length: COMPONENTS }, () =>
    new QrDecomposition(randomMatrix(rng, FEATURES, FEATURES)).orthogonalMatrix.to1DArray(),
  );
  const variances = Array.from(
    { length: COMPONENTS * FEATURES },
    (_, i) => (i % FEATURES < WIDE_AXES ? WIDE : THIN) ** 2,
  );
  const K = COMPONENTS;
  return {
    weights: float32(new Array(K).fill(1 / K)),
    means: float32(randomMatrix(rng, K, FEATURES).mul(SPREAD).to1DArray(), [K, FEATURES]),
    variances: float32(variances, [K, FEATURES]),
    axes: float32(axes.flat(), [K, FEATURES, FEATURES]),
  };
}

export function componentsOf({ weights, means, variances, axes }: Mixture): Component[] {
  const N = FEATURES;
  return Array.from(weights.data, (weight, k) => {
    const part = ({ data }: HostArray<"float32">, size: number) =>
      Array.from(data.subarray(k * size, (k + 1) * size));
    const Q = Matrix.from1DArray(N, N, part(axes!, N * N)); // randomMixture gives axes
    const covariance = Q.transpose()
      .mmul(Matrix.diag(part(variances, N)))
      .mmul(Q);
    return { logWeight: Math.log(weight), mean: Matrix.columnVector(part(means, N)), covariance };
  });
}

/** offset -> ln N(offset | 0, S), for many offsets. */
export function logNormal(S: Matrix): (offset: ArrayLike<number>) => number {
  const L = lowerFactor(S);
  const whiten = Float64Array.from(inverse(L).to1DArray());
  const n = S.rows;
  const constant = L.diagonal().reduce(
    (sum, pivot) => sum - Math.log(pivot),
    -0.5 * n * Math.log(2 * Math.PI),
  );
  return (offset) => {
    let squares = 0;
    for (let i = 0; i < n; i++) {
      let z = 0;
      for (let j = 0; j <= i; j++) z += whiten[i * n + j]! * offset[j]!;
      squares += z * z;
    }
    return constant - 0.5 * squares;
  };
}

/** ln sum exp */
export function logSum(logs: ArrayLike<number>): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < logs.length; k++) top = Math.max(top, logs[k]!);
  let sum = 0;
  for (let k = 0; k < logs.length; k++) sum += Math.exp(logs[k]! - top);
  return top + Math.log(sum);
}

/** The same mixture plus noise of deviation sigma. */
export function diffuse(components: readonly Component[], sigma: number): Component[] {
  const noise = Matrix.eye(FEATURES).mul(sigma ** 2);
  return components.map((one) => ({ ...one, covariance: Matrix.add(one.covariance, noise) }));
}

/** The exact posterior: each component conditioned, and weighed by its density at y. */
export function condition(components: readonly Component[], { A, y }: Observation): Component[] {
  return components.map(({ logWeight, mean, covariance }) => {
    const S = A.mmul(covariance)
      .mmul(A.transpose())
      .add(Matrix.eye(A.rows).mul(NOISE ** 2));
    const gain = covariance.mmul(A.transpose()).mmul(inverse(S));
    const offset = Matrix.sub(y, A.mmul(mean));
    return {
      logWeight: logWeight + logNormal(S)(offset.to1DArray()),
      mean: Matrix.add(mean, gain.mmul(offset)),
      covariance: Matrix.sub(covariance, gain.mmul(A).mmul(covariance)),
    };
  });
}

/** Draws from the mixture, [n, N]. */
export function draw(components: readonly Component[], n: number, rng: Rng): HostArray<"float64"> {
  const top = Math.max(...components.map(({ logWeight }) => logWeight));
  const shares = components.map(({ logWeight }) => Math.exp(logWeight - top));
  const total = shares.reduce((a, b) => a + b, 0);
  const factors = components.map(({ covariance }) => lowerFactor(covariance));
  const data = new Float64Array(n * FEATURES);
  for (let i = 0; i < n; i++) {
    let left = rng.uniform() * total;
    const found = shares.findIndex((share) => {
      left -= share;
      return left < 0;
    });
    const k = found < 0 ? shares.length - 1 : found;
    const z = randomMatrix(rng, FEATURES, 1);
    const x = Matrix.add(components[k]!.mean, factors[k]!.mmul(z));
    data.set(x.to1DArray(), i * FEATURES);
  }
  return { dtype: "float64", shape: [n, FEATURES], data };
}

/** L with L L' = S; what rounding leaves of a conditioned direction may be nil. */
export function lowerFactor(S: Matrix): Matrix {
  const L = Matrix.zeros(S.rows, S.rows);
  for (let i = 0; i < S.rows; i++)
    for (let j = 0; j <= i; j++) {
      let entry = S.get(i, j);
      for (let k = 0; k < j; k++) entry -= L.get(i, k) * L.get(j, k);
      const pivot = L.get(j, j);
      if (i === j) L.set(i, i, Math.sqrt(Math.max(entry, 0)));
      else L.set(i, j, pivot > 0 ? entry / pivot : 0);
    }
  return L;
}

/** An operator with rows of length 1, and what it saw of one draw. */
export function observe(prior: readonly Component[], rng: Rng): Observation {
  const A = randomMatrix(rng, MEASUREMENTS, FEATURES);
  for (let i = 0; i < A.rows; i++) {
    const row = A.getRowVector(i);
    A.setRow(i, row.div(row.norm()));
  }
  const x = Matrix.columnVector(Array.from(draw(prior, 1, rng).data));
  return { A, y: A.mmul(x).add(randomMatrix(rng, MEASUREMENTS, 1).mul(NOISE)) };
}
