import { crossGram, dotProduct, timesRows } from "./dense.ts";
import { symmetricEigenpairs } from "./eigen.ts";
import type { LinearBatch } from "./linear-observations.ts";

/**
 * Most numbers of an observation whose A A' is turned to its axes, and most entries of a latent; and of those that are turned once
 * because all are kept, which takes some .03 s for each of 80 x 256. Steps of conjugate gradients instead would apply A to each
 * column alone: a fit to 1500 observations of 5 views of 16 x 16 pixels took over ten minutes for its first steps.
 */
const SMALL = { measurements: 64, latents: 1024 } as const;
const ONCE = { measurements: 128, numbers: 2 ** 17 } as const;

/** Whether an operator that mixes entries is small enough for `rotatedBatch`. @param kept numbers of each observation that can be kept */
export function isSmall(M: number, N: number, kept: number): boolean {
  if (M <= SMALL.measurements && N <= SMALL.latents) return true;
  return M <= ONCE.measurements && M * N <= ONCE.numbers && rotatedNumbers(M, N) <= kept;
}

/** Numbers that a rotated observation holds. */
export function rotatedNumbers(M: number, N: number): number {
  return M * (N + M);
}

interface Rotated {
  /** Q' Sigma_y^-1/2 A, [M, N]: its rows are orthogonal. */
  readonly A: Float64Array;
  /** Squared lengths of the rows, [M]. */
  readonly lengths: Float64Array;
  /** Q' Sigma_y^-1/2, [M, M]. */
  readonly turn: Float64Array;
}

/**
 * The same observations with independent measurements: with Sigma_y^-1/2 A A' Sigma_y^-1/2 = Q diag(l) Q', the numbers
 * Q' Sigma_y^-1/2 y have noise N(0, I) and an operator of orthogonal rows, so that A A' is diagonal. Everything is kept
 * dense, in float64.
 */
export async function rotatedBatch(source: LinearBatch, N: number): Promise<LinearBatch> {
  const { size: n, rows: M, patternCount: q, products } = source;
  const identity = Float64Array.from({ length: N * N }, (_, at) => Number(at % (N + 1) === 0));
  const matrices = await source.apply(identity, N);
  const deviations = source.variance.map(Math.sqrt);
  const part = (array: Float64Array, i: number, width: number) =>
    array.subarray(i * M * width, (i + 1) * M * width);
  const A = new Float64Array(n * M * N);
  const lengths = new Float64Array(n * M);
  const turns = new Float64Array(n * M * M);
  let before: Rotated | undefined;
  for (let i = 0; i < n; i++) {
    const isSame =
      before &&
      same(part(matrices, i, N), part(matrices, i - 1, N)) &&
      same(part(deviations, i, 1), part(deviations, i - 1, 1));
    const own: Rotated = isSame ? before! : rotate(part(matrices, i, N), part(deviations, i, 1), N);
    A.set(own.A, i * M * N);
    lengths.set(own.lengths, i * M);
    turns.set(own.turn, i * M * M);
    before = own;
  }
  const turned = async (B: Float64Array, k: number) => await products.times(turns, M, B, k, n);
  return {
    size: n,
    rows: M,
    ownRows: source.ownRows,
    measured: source.measured,
    variance: new Float64Array(n * M).fill(1),
    logScales: Array.from({ length: n }, (_, i) =>
      part(deviations, i, 1).reduce((total, value) => total + 2 * Math.log(value), 0),
    ),
    patterns: source.patterns && (await turned(source.patterns, q)),
    patternCount: q,
    residual: async (mean) => await turned(await source.residual(mean), 1),
    // All rows of all operators are one matrix here.
    apply: async (columns, k) => await products.times(A, N, columns, k, 1),
    applyEach: async (latents) => await products.times(A, N, latents, 1, n),
    pullEach: async (v) => await products.gram(A, N, v, 1, n),
    addPulled: async (Y, k, into) => {
      const pulled = await products.gram(A, N, Y, k, 1);
      for (let at = 0; at < pulled.length; at++) into[at]! += pulled[at]!;
    },
    normal: async (P, k) => timesRows(P, k, lengths),
    diagonal: lengths,
    isDiagonal: true,
    products,
  };
}

function rotate(A: Float64Array, deviation: Float64Array, N: number): Rotated {
  const M = deviation.length;
  const white = A.map((value, at) => value / deviation[Math.floor(at / N)]!);
  const row = (m: number) => white.subarray(m * N, (m + 1) * N);
  const gram = new Float64Array(M * M);
  for (let a = 0; a < M; a++)
    for (let b = 0; b <= a; b++) gram[a * M + b] = gram[b * M + a] = dotProduct(row(a), row(b));
  const { values, vectors } = symmetricEigenpairs(gram, M);
  const Q = Float64Array.from(vectors.to1DArray());
  return {
    A: crossGram(Q, M, white, N),
    lengths: Float64Array.from(values, (l) => Math.max(l, 0)),
    turn: Float64Array.from({ length: M * M }, (_, at) => {
      const [m, from] = [Math.floor(at / M), at % M];
      return Q[from * M + m]! / deviation[from]!;
    }),
  };
}

function same(a: Float64Array, b: Float64Array): boolean {
  return a.every((value, i) => value === b[i]);
}
