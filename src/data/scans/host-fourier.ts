/** The centred orthonormal DFT on the host, for reading measured k-space. The operator of posteriors is in operators/. */

import { float32, type HostArray } from "../../core/array.ts";

/**
 * Centred orthonormal 2-d DFT: zero frequency and image centre both at index floor(n / 2).
 *   X[u, v] = 1 / sqrt(H W) sum_{h, w} x[h, w] exp(-2 pi i ((u - cu)(h - ch) / H + (v - cv)(w - cw) / W))
 * @param x [2, H, W], real and imaginary part      @param options inverse: the conjugate transform
 * @returns [2, H, W]
 */
export function fourier(
  x: HostArray<"float32">,
  options: { readonly inverse?: boolean } = {},
): HostArray<"float32"> {
  const [, H, W] = x.shape as [2, number, number];
  const sign = options.inverse ? 1 : -1;
  const re = Float64Array.from(x.data.subarray(0, H * W));
  const im = Float64Array.from(x.data.subarray(H * W));
  for (let h = 0; h < H; h++) transformLine(re, im, h * W, 1, W, sign);
  for (let w = 0; w < W; w++) transformLine(re, im, w, W, H, sign);
  const out = new Float32Array(2 * H * W);
  out.set(re);
  out.set(im, H * W);
  return float32(out, [2, H, W]);
}

/** One centred line in place: rotate so that the centre comes first, transform, rotate back. */
function transformLine(
  re: Float64Array,
  im: Float64Array,
  start: number,
  stride: number,
  n: number,
  sign: number,
): void {
  const centre = Math.floor(n / 2);
  const a = new Float64Array(n);
  const b = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    a[i] = re[start + stride * ((i + centre) % n)]!;
    b[i] = im[start + stride * ((i + centre) % n)]!;
  }
  const [p, q] = transform(a, b, sign);
  const scale = 1 / Math.sqrt(n);
  for (let i = 0; i < n; i++) {
    re[start + stride * ((i + centre) % n)] = p[i]! * scale;
    im[start + stride * ((i + centre) % n)] = q[i]! * scale;
  }
}

/** The plain DFT of any length by splitting off prime factors [Cooley65]; a large prime factor p costs p n. */
function transform(a: Float64Array, b: Float64Array, sign: number): [Float64Array, Float64Array] {
  const n = a.length;
  if (n === 1) return [a, b];
  const p = smallestFactor(n);
  const m = n / p;
  const parts = Array.from({ length: p }, (_, r) => {
    const pick = (x: Float64Array) => Float64Array.from({ length: m }, (_, i) => x[i * p + r]!);
    return transform(pick(a), pick(b), sign);
  });
  const cosines = Float64Array.from({ length: n }, (_, k) => Math.cos((2 * Math.PI * k) / n));
  const sines = Float64Array.from({ length: n }, (_, k) => sign * Math.sin((2 * Math.PI * k) / n));
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    parts.forEach(([pr, pi], r) => {
      const turn = (r * k) % n;
      const [c, s, u, v] = [cosines[turn]!, sines[turn]!, pr[k % m]!, pi[k % m]!];
      re[k]! += c * u - s * v;
      im[k]! += c * v + s * u;
    });
  }
  return [re, im];
}

function smallestFactor(n: number): number {
  for (let p = 2; p * p <= n; p++) if (n % p === 0) return p;
  return n;
}
