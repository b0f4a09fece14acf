import { repeated, sumsOf, timesRows, transposedEach } from "./dense.ts";
import type { DenseForm } from "./dense-systems.ts";
import { symmetricEigenpairs } from "./eigen.ts";
import type { LinearBatch } from "./linear-observations.ts";

/**
 * Most numbers of an observation whose A A' is turned to its axes, of its own or of a system that all share, and most numbers of
 * a system. It takes as long as 5 to 8 solutions by Cholesky's factor, .3 s for 256 numbers and 10 to 20 s for 1024, and a fit takes 50
 * steps. Steps of conjugate gradients instead apply A to each column alone: fits to a thousand blurred images of 32 x 32
 * pixels, or to projections of them, took over ten minutes for their first steps.
 */
const OWN = { measurements: 256, numbers: 2 ** 20 } as const;
const SHARED = { measurements: 1024, numbers: 2 ** 22 } as const;

interface Rotation {
  /** Q' Sigma_y^-1/2 A, [s, M, N]: the rows of each are orthogonal. */
  readonly A: Float64Array;
  /** Squared lengths of the rows, [s, M]. */
  readonly lengths: Float64Array;
  /** Q' Sigma_y^-1/2, [s, M, M]. */
  readonly turns: Float64Array;
  /** ln det Sigma_y, [s]. */
  readonly logScales: Float64Array;
  /** Patterns of the noise, turned, [s, M, q]. */
  readonly patterns: Float64Array | undefined;
}

/**
 * The same observations with independent measurements: with Sigma_y^-1/2 A A' Sigma_y^-1/2 = Q diag(l) Q', the numbers
 * Q' Sigma_y^-1/2 y have noise N(0, I) and an operator of orthogonal rows, so that A A' is diagonal. Everything is kept
 * dense, in float64.
 */
export const ROTATED: DenseForm<Rotation> = {
  fits: (M, N, isShared) => {
    const most = isShared ? SHARED : OWN;
    return M <= most.measurements && M * (M + N) <= most.numbers;
  },
  numbers: (M, N) => M * (M + N),
  form: rotationOf,
  join: rotatedBatch,
};

async function rotationOf(source: LinearBatch, N: number): Promise<Rotation> {
  const { systems: s, rows: M, variance, patterns, patternCount: q, products } = source;
  const identity = Float64Array.from({ length: N * N }, (_, at) => Number(at % (N + 1) === 0));
  const precision = variance.map((value) => 1 / Math.sqrt(value));
  const white = timesRows(await source.apply(identity, N), N, precision);
  const columns = transposedEach(white, N, s);
  const gram = await products.gram(columns, M, columns, M, s);
  const Q = new Float64Array(s * M * M);
  const lengths = new Float64Array(s * M);
  for (let i = 0; i < s; i++) {
    const { values, vectors } = symmetricEigenpairs(gram.subarray(i * M * M, (i + 1) * M * M), M);
    Q.set(vectors.to1DArray(), i * M * M);
    lengths.set(
      values.map((l) => Math.max(l, 0)),
      i * M,
    );
  }
  const turns = transposedEach(timesRows(Q, M, precision), M, s);
  return {
    A: await products.gram(Q, M, white, N, s),
    lengths,
    turns,
    logScales: sumsOf(variance.map(Math.log), s),
    patterns: patterns && (await products.times(turns, M, patterns, q, s)),
  };
}

/** @param source the observations as they were measured */
async function rotatedBatch(
  source: LinearBatch,
  { A, lengths, turns, logScales, patterns }: Rotation,
  N: number,
): Promise<LinearBatch> {
  const { size: n, rows: M, ownRows, measured, patternCount, products } = source;
  const s = logScales.length;
  const c = n / s;
  /** T v for rows v [s, c, width] and matrices T [s, M, width]. */
  const each = async (T: Float64Array, width: number, v: Float64Array) =>
    transposedEach(await products.times(T, width, transposedEach(v, width, s), c, s), c, s);
  const y = await each(turns, M, await source.residual(new Float64Array(N)));
  // All rows of all operators are one matrix here.
  const apply = async (columns: Float64Array, k: number) => await products.times(A, N, columns, k, 1);
  return {
    size: n,
    systems: s,
    rows: M,
    ownRows,
    measured,
    variance: new Float64Array(n * M).fill(1),
    logScales: Array.from({ length: n }, (_, i) => logScales[Math.floor(i / c)]!),
    patterns,
    patternCount,
    residual: async (mean) => {
      const predicted = await apply(mean, 1);
      return y.map((value, row) => value - predicted[row % predicted.length]!);
    },
    apply,
    applyEach: async (latents) => await each(A, N, latents),
    pullEach: async (v) => await products.times(v, M, A, N, s),
    addPulled: async (Y, k, into) => {
      const pulled = await products.gram(A, N, Y, k, 1);
      for (let at = 0; at < pulled.length; at++) into[at]! += pulled[at]!;
    },
    normal: async (P, k) => timesRows(P, k, lengths),
    diagonal: repeated(lengths, c),
    isDiagonal: true,
    dense: M * N,
    products,
  };
}
