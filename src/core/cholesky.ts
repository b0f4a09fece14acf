/** The solution of S v = b with what a Gaussian density needs besides. */
export interface CholeskySolution {
  /** v, [n] */
  readonly solution: Float64Array;
  /** b' S^-1 b */
  readonly quadratic: number;
  /** ln det S, over the rows that count. */
  readonly logDeterminant: number;
  /** Number of rows that count. */
  readonly rank: number;
  /** Number of rows whose pivot was too small, or negative, and was replaced. */
  readonly floored: number;
}

/**
 * Solves S v = b for a symmetric S by the Cholesky factorization S = L D L', unit L, in place.
 * S may come from rounded or imperfect products and then be singular or indefinite: a pivot below `floor` times its
 * row's diagonal entry is replaced by that bound, which is as if the row were noisier, and counted. A row whose
 * diagonal entry is not positive carries no information: it is left out, of the determinant too (a diagonal entry
 * below zero is counted as replaced).
 * @param S [n, n], symmetric, row by row; only the lower triangle is read, and overwritten
 * @param b [n]
 * @param floor relative to the diagonal; S in float32 resolves nothing below about 1e-6
 */
export function choleskySolve(S: Float64Array, b: ArrayLike<number>, floor: number): CholeskySolution {
  const n = b.length;
  const { pivots, floored } = factorize(S, n, floor);
  const v = Float64Array.from(b);
  let quadratic = 0;
  let logDeterminant = 0;
  let rank = 0;
  for (let i = 0; i < n; i++) {
    if (pivots[i] === 0) {
      v[i] = 0;
      continue;
    }
    for (let j = 0; j < i; j++) v[i] = v[i]! - S[i * n + j]! * v[j]!;
    quadratic += v[i]! ** 2 / pivots[i]!;
    logDeterminant += Math.log(pivots[i]!);
    rank++;
  }
  for (let i = n - 1; i >= 0; i--) {
    if (pivots[i] === 0) continue;
    v[i] = v[i]! / pivots[i]!;
    for (let j = i + 1; j < n; j++) v[i] = v[i]! - S[j * n + i]! * v[j]!;
  }
  return { solution: v, quadratic, logDeterminant, rank, floored };
}

/** Replaces the strict lower triangle of S by that of L; rows that are left out get pivot 0 and zeros. */
function factorize(S: Float64Array, n: number, floor: number): { pivots: Float64Array; floored: number } {
  const pivots = new Float64Array(n);
  let floored = 0;
  for (let i = 0; i < n; i++) {
    const diagonal = S[i * n + i]!;
    if (!(diagonal > 0)) {
      if (diagonal < 0) floored++;
      for (let j = 0; j < i; j++) S[i * n + j] = 0;
      continue;
    }
    let pivot = diagonal;
    for (let j = 0; j < i; j++) {
      if (pivots[j] === 0) {
        S[i * n + j] = 0;
        continue;
      }
      let entry = S[i * n + j]!;
      for (let k = 0; k < j; k++) entry -= S[i * n + k]! * S[j * n + k]! * pivots[k]!;
      S[i * n + j] = entry / pivots[j]!;
      pivot -= entry * S[i * n + j]!;
    }
    pivots[i] = Math.max(pivot, floor * diagonal);
    if (pivots[i] !== pivot) floored++;
  }
  return { pivots, floored };
}
