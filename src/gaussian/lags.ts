/** Stationary covariances, by what entries share at each lag, in float64. */

import { type Grid, gridOf } from "../core/grid.ts";
import { sizeOf } from "../core/shape.ts";

/** A complex array on a grid of lags. */
interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** A latent's grid; vectors are one channel on a line. */
interface PaddedGrid extends Grid {
  /** Lengths at which a product of transforms does not wrap around, powers of two. */
  readonly padded: readonly number[];
}

/** A covariance T[c, p; c', p'] = t[c, c'](p - p') of latents, which may have negative eigenvalues. */
export interface StationaryCovariance {
  /** Sum of the diagonal. */
  readonly trace: number;
  /** T X of X [N, k]. */
  times(X: Float64Array, k: number): Float64Array;
}

/**
 * The mean of U U' over all places with the same lag and the same pair of channels: of all stationary covariances the
 * closest to U U'.
 * @param U [N, k]
 * @param shape of a latent: [C, ...lengths], or [N]
 */
export function stationaryPart(U: Float64Array, k: number, shape: readonly number[]): StationaryCovariance {
  const grid = paddedGrid(shape);
  const { channels: C, padded } = grid;
  const F = sizeOf(padded);
  const kernels = Array.from({ length: C * C }, () => zeros(F));
  for (let a = 0; a < k; a += 2) {
    const spectra = spectraOf(grid, U, k, a);
    for (let c = 0; c < C; c++)
      for (let d = 0; d < C; d++) addProduct(spectra[c]!, spectra[d]!, kernels[c * C + d]!, -1);
  }
  for (const kernel of kernels) {
    transform(kernel, padded, 1);
    averageLags(kernel, grid);
  }
  const places = sizeOf(grid.lengths);
  let trace = 0;
  for (let c = 0; c < C; c++) trace += places * kernels[c * C + c]!.re[0]!;
  for (const kernel of kernels) transform(kernel, padded, -1);
  const times = (X: Float64Array, columns: number): Float64Array => {
    const out = new Float64Array(X.length);
    for (let a = 0; a < columns; a += 2) {
      const spectra = spectraOf(grid, X, columns, a);
      for (let c = 0; c < C; c++) {
        const sum = zeros(F);
        for (let d = 0; d < C; d++) addProduct(kernels[c * C + d]!, spectra[d]!, sum, 1);
        transform(sum, padded, 1);
        putColumns(grid, c, sum, out, columns, a);
      }
    }
    return out;
  };
  return { trace, times };
}

function paddedGrid(shape: readonly number[]): PaddedGrid {
  const grid = gridOf(shape) ?? { channels: 1, lengths: [sizeOf(shape)] };
  const padded = grid.lengths.map((n) => 2 ** Math.ceil(Math.log2(Math.max(2 * n - 1, 1))));
  return { ...grid, padded };
}

const zeros = (F: number): Complex => ({ re: new Float64Array(F), im: new Float64Array(F) });

/** Where each place of the grid lies in the padded one. */
function placesOf({ lengths, padded }: PaddedGrid): number[] {
  let places = [0];
  for (const [axis, n] of lengths.entries())
    places = places.flatMap((at) => Array.from({ length: n }, (_, i) => at * padded[axis]! + i));
  return places;
}

/** The transforms of columns a and a + 1 of X [N, k], as the real and the imaginary part of one, of each channel. */
function spectraOf(grid: PaddedGrid, X: Float64Array, k: number, a: number): Complex[] {
  const places = placesOf(grid);
  return Array.from({ length: grid.channels }, (_, c) => {
    const own = zeros(sizeOf(grid.padded));
    for (const [p, at] of places.entries()) {
      const row = (c * places.length + p) * k;
      own.re[at] = X[row + a]!;
      if (a + 1 < k) own.im[at] = X[row + a + 1]!;
    }
    transform(own, grid.padded, -1);
    return own;
  });
}

function putColumns(
  grid: PaddedGrid,
  c: number,
  from: Complex,
  out: Float64Array,
  k: number,
  a: number,
): void {
  const places = placesOf(grid);
  for (const [p, at] of places.entries()) {
    const row = (c * places.length + p) * k;
    out[row + a] = from.re[at]!;
    if (a + 1 < k) out[row + a + 1] = from.im[at]!;
  }
}

/** x y added to `into`; with a sign of -1, x conj(y). */
function addProduct(x: Complex, y: Complex, into: Complex, sign: number): void {
  for (let f = 0; f < into.re.length; f++) {
    const [a, b, c, d] = [x.re[f]!, x.im[f]!, y.re[f]!, sign * y.im[f]!];
    into.re[f]! += a * c - b * d;
    into.im[f]! += a * d + b * c;
  }
}

/** Sums over the places with a lag become means. The imaginary part is of no covariance. */
function averageLags({ re, im }: Complex, { lengths, padded }: PaddedGrid): void {
  im.fill(0);
  for (let f = 0; f < re.length; f++) {
    let [count, rest] = [1, f];
    for (let axis = padded.length - 1; axis >= 0; axis--) {
      const [n, size] = [lengths[axis]!, padded[axis]!];
      const at = rest % size;
      rest = (rest - at) / size;
      count *= Math.max(0, n - Math.min(at, size - at));
    }
    re[f] = count > 0 ? re[f]! / count : 0;
  }
}

/** The DFT along every axis in place, sign -1, or its inverse, sign 1. */
function transform(x: Complex, lengths: readonly number[], sign: 1 | -1): void {
  let stride = 1;
  for (const n of lengths.toReversed()) {
    const line = zeros(n);
    for (let start = 0; start < x.re.length; start++) {
      if (Math.floor(start / stride) % n !== 0) continue;
      for (let i = 0; i < n; i++) {
        line.re[i] = x.re[start + i * stride]!;
        line.im[i] = x.im[start + i * stride]!;
      }
      transformLine(line, sign);
      for (let i = 0; i < n; i++) {
        x.re[start + i * stride] = line.re[i]!;
        x.im[start + i * stride] = line.im[i]!;
      }
    }
    stride *= n;
  }
  if (sign === 1)
    for (let f = 0; f < x.re.length; f++) {
      x.re[f]! /= x.re.length;
      x.im[f]! /= x.re.length;
    }
}

/** The DFT of a power of two of numbers in place [Cooley65]. */
function transformLine({ re, im }: Complex, sign: number): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  for (let half = 1; half < n; half *= 2)
    for (let k = 0; k < half; k++) {
      const [c, s] = [Math.cos((Math.PI * k) / half), sign * Math.sin((Math.PI * k) / half)];
      for (let i = k; i < n; i += 2 * half) {
        const j = i + half;
        const [a, b] = [re[j]! * c - im[j]! * s, re[j]! * s + im[j]! * c];
        re[j] = re[i]! - a;
        im[j] = im[i]! - b;
        re[i]! += a;
        im[i]! += b;
      }
    }
}
