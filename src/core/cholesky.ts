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
  /** Number of rows whose pivot was too small, or negative, and was replaced by a larger one. */
  readonly floored: number;
}

/**
 * Solves S v = b for a symmetric S by the Cholesky factorization S = L D L', unit L, in place.
 * S may come from rounded or imperfect products and then be singular or indefinite. A pivot d_j is replaced, which is
 * as if the row were noisier, and counted, where it is below
 *   max(floor S_jj, max_(i > j) c_ij^2 / S_ii),   c_ij = L_ij d_j the column before it is divided by the pivot.
 * The second bound holds by itself if S is positive semi-definite; if S is not, L would grow without limit, as in other
 * modified factorizations [Gill81]. A row whose diagonal entry is not positive carries no information: it is left out,
 * of the determinant too (a diagonal entry below zero is counted as replaced).
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

/** Of the second bound: a positive semi-definite S meets it to rounding. */
const ROUNDING = 1e-12;

/** Replaces the strict lower triangle of S by that of L; rows that are left out get pivot 0 and zeros. */
function factorize(S: Float64Array, n: number, floor: number): { pivots: Float64Array; floored: number } {
  const pivots = new Float64Array(n);
  const diagonal = Float64Array.from({ length: n }, (_, i) => S[i * n + i]!);
  let floored = diagonal.filter((entry) => entry < 0).length;
  const counts = (i: number) => !(diagonal[i]! <= 0); // NaN counts, and so shows in the solution
  for (let j = 0; j < n; j++) {
    if (!counts(j)) {
      for (let i = j + 1; i < n; i++) S[i * n + j] = 0;
      continue;
    }
    const column = (i: number) => {
      let entry = S[i * n + j]!;
      for (let k = 0; k < j; k++) entry -= S[i * n + k]! * S[j * n + k]! * pivots[k]!;
      return entry;
    };
    const pivot = column(j);
    let least = floor * diagonal[j]!;
    for (let i = j + 1; i < n; i++) {
      S[i * n + j] = counts(i) ? column(i) : 0;
      if (counts(i)) least = Math.max(least, ((1 - ROUNDING) * S[i * n + j]! ** 2) / diagonal[i]!);
    }
    pivots[j] = Math.max(pivot, least);
    if (pivots[j] !== pivot) floored++;
    for (let i = j + 1; i < n; i++) S[i * n + j] = S[i * n + j]! / pivots[j]!;
  }
  return { pivots, floored };
}
