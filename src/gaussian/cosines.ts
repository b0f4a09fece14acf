/**
 * Orthonormal cosines along every axis of a grid [Ahmed74, type II]:
 *   c_f[p] = sqrt((2 - [f = 0]) / n) cos(pi f (p + 1/2) / n)
 * @param X [C, ...lengths, k], k columns
 * @param direction "analysis": c' X, strengths from values; "synthesis": c X
 */
export function alongCosines(
  X: Float64Array,
  lengths: readonly number[],
  k: number,
  direction: "analysis" | "synthesis",
): Float64Array {
  let out = X;
  let inner = k;
  for (const n of lengths.toReversed()) {
    out = alongAxis(out, out.length / (n * inner), cosines(n, direction), n, inner);
    inner *= n;
  }
  return out;
}

/** M X for each of `outer` arrays X [n, inner], M [n, n]. */
function alongAxis(X: Float64Array, outer: number, M: Float64Array, n: number, inner: number): Float64Array {
  const out = new Float64Array(X.length);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < n; i++) {
      const to = (o * n + i) * inner;
      for (let j = 0; j < n; j++) {
        const weight = M[i * n + j]!;
        const from = (o * n + j) * inner;
        for (let a = 0; a < inner; a++) out[to + a]! += weight * X[from + a]!;
      }
    }
  return out;
}

/** Rows c_f for "analysis", columns for "synthesis"; [n, n]. */
function cosines(n: number, direction: "analysis" | "synthesis"): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    const [f, p] = direction === "analysis" ? [i, j] : [j, i];
    return Math.sqrt((f === 0 ? 1 : 2) / n) * Math.cos((Math.PI * f * (p + 0.5)) / n);
  });
}
