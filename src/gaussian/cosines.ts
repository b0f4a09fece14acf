/**
 * Orthonormal cosines along every axis of a grid [Ahmed74, type II]:
 *   c_f[p] = sqrt((2 - [f = 0]) / n) cos(pi f (2 p + 1) / 2n)
 * @param X [C, ...lengths, k], k columns
 * @param direction "analysis": c' X, strengths from values; "synthesis": c X
 */
export function alongCosines(
  X: Float64Array,
  lengths: readonly number[],
  k: number,
  direction: "analysis" | "synthesis",
): Float64Array {
  const out = X.slice();
  let width = k;
  for (const n of lengths.toReversed()) {
    const scales = Float64Array.from({ length: n }, (_, f) => Math.sqrt((f === 0 ? 1 : 2) / n));
    for (let first = 0; first < out.length; first += n * width) {
      const line = out.subarray(first, first + n * width);
      if (direction === "synthesis") scaleRows(line, scales, width);
      line.set(direction === "analysis" ? strengthsOf(line, n, width) : valuesOf(line, n, width));
      if (direction === "analysis") scaleRows(line, scales, width);
    }
    width *= n;
  }
  return out;
}

/** Multiplications for each number of X, about. */
export function cosineWork(lengths: readonly number[]): number {
  return lengths.reduce((sum, n) => sum + (n % 2 === 0 ? 2 + cosineWork([n / 2]) : n), 0);
}

function scaleRows(X: Float64Array, scales: Float64Array, width: number): void {
  for (let at = 0; at < X.length; at++) X[at]! *= scales[Math.floor(at / width)]!;
}

/**
 * X[f] = sum over p of x[p] cos(pi f (2 p + 1) / 2n) of rows x [n, width]. Even lengths are halved [Lee84]: with p' = n - 1 - p,
 * even f have the strengths of x[p] + x[p'], and X[f] + X[f - 2] for odd f are those of 2 cos(pi (2 p + 1) / 2n) (x[p] - x[p']).
 */
function strengthsOf(x: Float64Array, n: number, width: number): Float64Array {
  if (n % 2 === 1) return directly(x, n, width, (f, p) => f * (2 * p + 1));
  const [half, size] = [n / 2, (n / 2) * width];
  const [sums, differences] = [new Float64Array(size), new Float64Array(size)];
  for (let p = 0; p < half; p++) {
    const turn = 2 * Math.cos((Math.PI * (2 * p + 1)) / (2 * n));
    const [near, far] = [p * width, (n - 1 - p) * width];
    for (let a = 0; a < width; a++) {
      sums[near + a] = x[near + a]! + x[far + a]!;
      differences[near + a] = turn * (x[near + a]! - x[far + a]!);
    }
  }
  const [even, odd] = [strengthsOf(sums, half, width), strengthsOf(differences, half, width)];
  const out = new Float64Array(n * width);
  for (let f = 0; f < half; f++)
    for (let a = 0; a < width; a++) {
      const [from, to] = [f * width + a, 2 * f * width + a];
      out[to] = even[from]!;
      out[to + width] = f === 0 ? odd[from]! / 2 : odd[from]! - out[to - width]!;
    }
  return out;
}

/** x[p] = sum over f of X[f] cos(pi f (2 p + 1) / 2n) of rows X [n, width]: the steps of `strengthsOf` backwards. */
function valuesOf(X: Float64Array, n: number, width: number): Float64Array {
  if (n % 2 === 1) return directly(X, n, width, (p, f) => f * (2 * p + 1));
  const [half, size] = [n / 2, (n / 2) * width];
  const [evens, odds] = [new Float64Array(size), new Float64Array(size)];
  for (let f = 0; f < half; f++)
    for (let a = 0; a < width; a++) {
      const [to, from] = [f * width + a, 2 * f * width + a];
      evens[to] = X[from]!;
      odds[to] = X[from + width]! + (f === 0 ? 0 : X[from - width]!);
    }
  const [even, odd] = [valuesOf(evens, half, width), valuesOf(odds, half, width)];
  const out = new Float64Array(n * width);
  for (let p = 0; p < half; p++) {
    const turn = 1 / (2 * Math.cos((Math.PI * (2 * p + 1)) / (2 * n)));
    const [near, far] = [p * width, (n - 1 - p) * width];
    for (let a = 0; a < width; a++) {
      out[near + a] = even[near + a]! + turn * odd[near + a]!;
      out[far + a] = even[near + a]! - turn * odd[near + a]!;
    }
  }
  return out;
}

/** sum over j of cos(pi phase(i, j) / 2n) X[j], rows [n, width]. */
function directly(
  X: Float64Array,
  n: number,
  width: number,
  phase: (i: number, j: number) => number,
): Float64Array {
  const cosines = Float64Array.from({ length: 4 * n }, (_, turn) => Math.cos((Math.PI * turn) / (2 * n)));
  const out = new Float64Array(n * width);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const weight = cosines[phase(i, j) % (4 * n)]!;
      for (let a = 0; a < width; a++) out[i * width + a]! += weight * X[j * width + a]!;
    }
  return out;
}
