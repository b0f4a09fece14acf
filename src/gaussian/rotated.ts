import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { dotProduct, times, timesVector, transposedTimes } from "./dense.ts";
import type { LinearBatch } from "./linear-observations.ts";

/** Most numbers of an observation whose A A' is turned to its axes, and most entries of a latent. */
const SMALL = { measurements: 64, latents: 1024 } as const;

/** Whether an operator that mixes entries is small enough for `rotatedBatch`. */
export function isSmall(M: number, N: number): boolean {
  return M <= SMALL.measurements && N <= SMALL.latents;
}

interface Rotated {
  /** Q' Sigma_y^-1/2 A, [M, N]: its rows are orthogonal. */
  readonly A: Float64Array;
  /** Squared lengths of the rows, [M]. */
  readonly lengths: Float64Array;
  /** Q, [M, M]. */
  readonly Q: Float64Array;
}

/**
 * The same observations with independent measurements: with Sigma_y^-1/2 A A' Sigma_y^-1/2 = Q diag(l) Q', the numbers
 * Q' Sigma_y^-1/2 y have noise N(0, I) and an operator of orthogonal rows, so that A A' is diagonal. Everything is kept
 * dense, in float64.
 */
export async function rotatedBatch(source: LinearBatch, N: number): Promise<LinearBatch> {
  const n = source.size;
  const identity = Float64Array.from({ length: N * N }, (_, at) => Number(at % (N + 1) === 0));
  const matrices = await source.apply(identity, N);
  const deviations = source.variance.map((own) => own.map(Math.sqrt));
  const rotated: Rotated[] = [];
  for (const [i, A] of matrices.entries()) {
    const before = rotated.at(-1);
    const isSame = before && i > 0 && same(A, matrices[i - 1]!) && same(deviations[i]!, deviations[i - 1]!);
    rotated.push(isSame ? before : rotate(A, deviations[i]!, N));
  }
  const turn = (i: number, v: Float64Array) =>
    transposedTimes(
      rotated[i]!.Q,
      v.length,
      v.map((value, m) => value / deviations[i]![m]!),
    );
  const ones = deviations.map((own) => new Float64Array(own.length).fill(1));
  const q = source.patternCount;
  return {
    size: n,
    measured: source.measured,
    variance: ones,
    logScales: deviations.map((own) => own.reduce((total, value) => total + 2 * Math.log(value), 0)),
    patterns: source.patterns?.map((L, i) => {
      const weighted = L.map((value, at) => value / deviations[i]![Math.floor(at / q)]!);
      return columnsTurned(rotated[i]!.Q, weighted, q);
    }),
    patternCount: q,
    residual: async (mean) => (await source.residual(mean)).map((own, i) => turn(i, own)),
    apply: async (columns, k) => rotated.map(({ A }) => times(A, N, columns, k)),
    applyEach: async (latents) => rotated.map(({ A }, i) => timesVector(A, latents[i]!)),
    pullEach: async (v) => rotated.map(({ A }, i) => transposedTimes(A, N, v[i]!)),
    addPulled: async (Y, k, into) => {
      for (const [i, { A, lengths }] of rotated.entries())
        for (let m = 0; m < lengths.length; m++)
          for (let j = 0; j < N; j++) {
            const entry = A[m * N + j]!;
            if (entry === 0) continue;
            for (let a = 0; a < k; a++) into[j * k + a]! += entry * Y[i]![m * k + a]!;
          }
    },
    normal: async (P, k) =>
      rotated.map(({ lengths }, i) => P[i]!.map((value, at) => lengths[Math.floor(at / k)]! * value)),
    diagonal: rotated.map(({ lengths }) => lengths),
    isDiagonal: true,
  };
}

function rotate(A: Float64Array, deviation: Float64Array, N: number): Rotated {
  const M = deviation.length;
  const white = A.map((value, at) => value / deviation[Math.floor(at / N)]!);
  const row = (m: number) => white.subarray(m * N, (m + 1) * N);
  const gram = Matrix.zeros(M, M);
  for (let a = 0; a < M; a++)
    for (let b = 0; b <= a; b++) {
      const product = dotProduct(row(a), row(b));
      gram.set(a, b, product);
      gram.set(b, a, product);
    }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  const Q = Float64Array.from(eigenvectorMatrix.to1DArray());
  return {
    Q,
    A: columnsTurned(Q, white, N),
    lengths: Float64Array.from(realEigenvalues, (l) => Math.max(l, 0)),
  };
}

/** Q' B of B [M, k]. */
function columnsTurned(Q: Float64Array, B: Float64Array, k: number): Float64Array {
  const M = B.length / k;
  const out = new Float64Array(M * k);
  for (let m = 0; m < M; m++)
    for (let a = 0; a < M; a++) {
      const entry = Q[m * M + a]!;
      if (entry !== 0) for (let b = 0; b < k; b++) out[a * k + b]! += entry * B[m * k + b]!;
    }
  return out;
}

function same(a: Float64Array, b: Float64Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
