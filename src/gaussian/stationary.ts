import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { gridOf } from "../core/grid.ts";
import type { Rng } from "../core/random.ts";
import { crossGram, times } from "./dense.ts";
import { stationaryPart } from "./lags.ts";
import type { GaussianModel } from "./observed-covariance.ts";

/** Columns more than the rank, and products with the covariance, by which its largest eigenvalues are found [Halko11]. */
const EXTRA_COLUMNS = 8;
const PRODUCTS = 3;

/**
 * The closest Gaussian to whom all places are alike: each channel has one mean, and how two entries vary together depends
 * on their channels and the lag between them alone. It has far fewer numbers to learn, so a few observations tell them.
 *   T = D I + mean over places of (U U' + d d'),  d = mean - mean over places
 * As D' I and r columns again: the largest eigenvalues of T are its own, and D' is the mean of the others.
 * @param shape of a latent: [C, ...lengths], or [N] for a line of numbers
 * @param rank r, at most
 * @returns undefined if the other eigenvalues have no positive mean
 */
export function stationary(
  { mean, residual: D, factor, rank }: GaussianModel,
  shape: readonly number[],
  most: number,
  rng: Rng,
): GaussianModel | undefined {
  const N = mean.length;
  const level = levelMeans(mean, shape);
  const width = rank + 1;
  const columns = new Float64Array(N * width);
  for (let j = 0; j < N; j++) {
    for (let a = 0; a < rank; a++) columns[j * width + a] = factor[j * rank + a]!;
    columns[j * width + rank] = mean[j]! - level[j]!;
  }
  const T = stationaryPart(columns, width, shape);
  const { values, vectors, count } = largest(T.times, N, Math.min(most, N - 1), columns, width, rng);
  const explained = values.reduce((sum, value) => sum + value, 0);
  const rest = D + (T.trace - explained) / (N - count);
  if (!(rest > 0)) return undefined;
  const lengths = values.map((value) => Math.sqrt(Math.max(value + D - rest, 0)));
  return {
    mean: level,
    residual: rest,
    factor: vectors.map((value, at) => value * lengths[at % count]!),
    rank: count,
  };
}

/** The mean of each channel, for each of its entries. */
function levelMeans(mean: Float64Array, shape: readonly number[]): Float64Array {
  const places = mean.length / (gridOf(shape)?.channels ?? 1);
  const out = new Float64Array(mean.length);
  for (let first = 0; first < mean.length; first += places) {
    const own = mean.subarray(first, first + places);
    out.fill(own.reduce((sum, value) => sum + value, 0) / places, first, first + places);
  }
  return out;
}

/**
 * The largest positive eigenvalues of a symmetric matrix, at most r, and their vectors [N, count], by subspace iteration.
 * @param near columns [N, k] that lie near them
 */
function largest(
  product: (X: Float64Array, k: number) => Float64Array,
  N: number,
  r: number,
  near: Float64Array,
  k: number,
  rng: Rng,
): { readonly values: number[]; readonly vectors: Float64Array; readonly count: number } {
  const width = Math.min(N, r + EXTRA_COLUMNS);
  const first = new Float64Array(N * width);
  for (let j = 0; j < N; j++)
    for (let a = 0; a < width; a++) first[j * width + a] = a < k ? near[j * k + a]! : rng.normal();
  let basis = orthonormal(first, width);
  for (let i = 0; i < PRODUCTS && basis.count > 0; i++)
    basis = orthonormal(product(basis.columns, basis.count), basis.count);
  if (basis.count === 0) return { values: [], vectors: new Float64Array(0), count: 0 };
  const { columns, count } = basis;
  const { values, vectors } = eigenpairs(crossGram(columns, count, product(columns, count), count), count);
  const kept = Math.min(r, values.filter((value) => value > 0).length);
  const chosen = new Float64Array(count * kept);
  for (let b = 0; b < count; b++) for (let a = 0; a < kept; a++) chosen[b * kept + a] = vectors.get(b, a);
  return { values: values.slice(0, kept), vectors: times(columns, count, chosen, kept), count: kept };
}

/** Least share of the longest column that still has a direction of its own, squared. */
const DEPENDENT = 1e-12;

/** Orthonormal columns that span those of X [N, k]. */
function orthonormal(X: Float64Array, k: number): { readonly columns: Float64Array; readonly count: number } {
  const scaled = unitColumns(X, k);
  const { values, vectors } = eigenpairs(crossGram(scaled, k, scaled, k), k);
  const count = values.filter((value) => value > DEPENDENT * values[0]!).length;
  const turn = new Float64Array(k * count);
  for (let b = 0; b < k; b++)
    for (let a = 0; a < count; a++) turn[b * count + a] = vectors.get(b, a) / Math.sqrt(values[a]!);
  return { columns: times(scaled, k, turn, count), count };
}

function unitColumns(X: Float64Array, k: number): Float64Array {
  const squares = new Float64Array(k);
  for (let at = 0; at < X.length; at++) squares[at % k]! += X[at]! ** 2;
  return X.map((value, at) => value / Math.sqrt(squares[at % k]! || 1));
}

/** Of a symmetric matrix [k, k], largest first. */
function eigenpairs(K: Float64Array, k: number): { readonly values: number[]; readonly vectors: Matrix } {
  const symmetric = new Matrix(k, k);
  for (let a = 0; a < k; a++)
    for (let b = 0; b < k; b++) symmetric.set(a, b, (K[a * k + b]! + K[b * k + a]!) / 2);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric, {
    assumeSymmetric: true,
  });
  const order = realEigenvalues.map((_, a) => a).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  return {
    values: order.map((a) => realEigenvalues[a]!),
    vectors: eigenvectorMatrix.subMatrixColumn(order),
  };
}
