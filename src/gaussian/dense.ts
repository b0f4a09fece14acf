/** Small dense matrices in float64, row by row. */

/** K + V' diag(w) V added to K [k, k]; V [M, k]. */
export function addGram(V: Float64Array, w: Float64Array, k: number, K: Float64Array): void {
  for (let m = 0; m < w.length; m++) {
    const row = m * k;
    for (let a = 0; a < k; a++) {
      const va = w[m]! * V[row + a]!;
      if (va === 0) continue;
      for (let b = 0; b <= a; b++) K[a * k + b]! += va * V[row + b]!;
    }
  }
  for (let a = 0; a < k; a++) for (let b = a + 1; b < k; b++) K[a * k + b] = K[b * k + a]!;
}

/** V' Y, [k, l], of V [M, k] and Y [M, l]. */
export function crossGram(V: Float64Array, k: number, Y: Float64Array, l: number): Float64Array {
  const out = new Float64Array(k * l);
  for (let m = 0; m < V.length / k; m++)
    for (let a = 0; a < k; a++) {
      const va = V[m * k + a]!;
      if (va === 0) continue;
      for (let b = 0; b < l; b++) out[a * l + b]! += va * Y[m * l + b]!;
    }
  return out;
}

/** V T, [M, l], of V [M, k] and T [k, l]. */
export function times(V: Float64Array, k: number, T: Float64Array, l: number): Float64Array {
  const M = V.length / k;
  const out = new Float64Array(M * l);
  for (let m = 0; m < M; m++)
    for (let a = 0; a < k; a++) {
      const va = V[m * k + a]!;
      if (va === 0) continue;
      for (let b = 0; b < l; b++) out[m * l + b]! += va * T[a * l + b]!;
    }
  return out;
}

/** [left, right], row by row; of [rows, l] and [rows, r]. */
export function beside(left: Float64Array, l: number, right: Float64Array, r: number): Float64Array {
  const rows = right.length / r;
  const out = new Float64Array(rows * (l + r));
  for (let m = 0; m < rows; m++) {
    out.set(left.subarray(m * l, (m + 1) * l), m * (l + r));
    out.set(right.subarray(m * r, (m + 1) * r), m * (l + r) + l);
  }
  return out;
}

/** V t, [M], of V [M, k] and t [k]. */
export function timesVector(V: Float64Array, t: Float64Array): Float64Array {
  const k = t.length;
  const out = new Float64Array(k === 0 ? 0 : V.length / k);
  for (let m = 0; m < out.length; m++) {
    let total = 0;
    for (let a = 0; a < k; a++) total += V[m * k + a]! * t[a]!;
    out[m] = total;
  }
  return out;
}

/** V' y, [k], of V [M, k] and y [M]. */
export function transposedTimes(V: Float64Array, k: number, y: Float64Array): Float64Array {
  const out = new Float64Array(k);
  for (let m = 0; m < y.length; m++) for (let a = 0; a < k; a++) out[a]! += V[m * k + a]! * y[m]!;
  return out;
}

/** diag(w) X of X [M, k]. */
export function timesRows(X: Float64Array, k: number, w: Float64Array): Float64Array {
  const out = new Float64Array(X.length);
  for (let m = 0, at = 0; m < w.length; m++) {
    const weight = w[m]!;
    for (let a = 0; a < k; a++, at++) out[at] = weight * X[at]!;
  }
  return out;
}

export function dotProduct(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}

/**
 * The Cholesky factor L of a symmetric positive definite K [k, k] = L L', zeros above the diagonal.
 * @returns undefined if K is not positive definite to rounding
 */
export function choleskyFactor(K: Float64Array, k: number): Float64Array | undefined {
  const L = new Float64Array(k * k);
  for (let i = 0; i < k; i++)
    for (let j = 0; j <= i; j++) {
      let value = K[i * k + j]!;
      for (let a = 0; a < j; a++) value -= L[i * k + a]! * L[j * k + a]!;
      if (i !== j) L[i * k + j] = value / L[j * k + j]!;
      else if (value > 0) L[i * k + i] = Math.sqrt(value);
      else return undefined;
    }
  return L;
}

/** K^-1 b of K = L L', [k]. */
export function solveFactored(L: Float64Array, b: Float64Array): Float64Array {
  const k = b.length;
  const x = b.slice();
  for (let i = 0; i < k; i++) {
    let value = x[i]!;
    for (let a = 0; a < i; a++) value -= L[i * k + a]! * x[a]!;
    x[i] = value / L[i * k + i]!;
  }
  for (let i = k - 1; i >= 0; i--) {
    const value = x[i]! / L[i * k + i]!;
    x[i] = value;
    for (let a = 0; a < i; a++) x[a]! -= L[i * k + a]! * value;
  }
  return x;
}

/** K^-1 of K = L L', [k, k]. */
export function inverseOf(L: Float64Array, k: number): Float64Array {
  // T = L^-1, then T' T.
  const T = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    const scale = 1 / L[i * k + i]!;
    for (let a = 0; a < i; a++) {
      const factor = -scale * L[i * k + a]!;
      for (let j = 0; j <= a; j++) T[i * k + j]! += factor * T[a * k + j]!;
    }
    T[i * k + i] = scale;
  }
  const out = new Float64Array(k * k);
  for (let m = 0; m < k; m++)
    for (let a = 0; a <= m; a++) {
      const ta = T[m * k + a]!;
      for (let b = 0; b <= a; b++) out[a * k + b]! += ta * T[m * k + b]!;
    }
  for (let a = 0; a < k; a++) for (let b = a + 1; b < k; b++) out[a * k + b] = out[b * k + a]!;
  return out;
}

/** ln det K of K = L L'. */
export function logDeterminant(L: Float64Array, k: number): number {
  let total = 0;
  for (let i = 0; i < k; i++) total += 2 * Math.log(L[i * k + i]!);
  return total;
}

/** V' of each, [n, k, M], of V [n, M, k]. */
export function transposedEach(V: Float64Array, k: number, n: number): Float64Array {
  const M = V.length / (n * k);
  if (M === 1 || k === 1) return V;
  const out = new Float64Array(V.length);
  for (let i = 0, from = 0; i < n; i++)
    for (let m = 0; m < M; m++) for (let a = 0; a < k; a++, from++) out[(i * k + a) * M + m] = V[from]!;
  return out;
}

/** Products of n equal parts of X and Y, each summed, [n]. */
export function dotsOf(X: Float64Array, Y: Float64Array, n: number): Float64Array {
  const size = X.length / n;
  const out = new Float64Array(n);
  for (let i = 0, at = 0; i < n; i++) {
    let total = 0;
    for (const end = (i + 1) * size; at < end; at++) total += X[at]! * Y[at]!;
    out[i] = total;
  }
  return out;
}

/** Sums of n equal parts, [n]. */
export function sumsOf(values: Float64Array, n: number): Float64Array {
  const size = values.length / n;
  return Float64Array.from({ length: n }, (_, i) =>
    values.subarray(i * size, (i + 1) * size).reduce((total, value) => total + value, 0),
  );
}

/** The same values, over and over. */
export function repeated(values: Float64Array, times: number): Float64Array {
  return Float64Array.from({ length: values.length * times }, (_, at) => values[at % values.length]!);
}
