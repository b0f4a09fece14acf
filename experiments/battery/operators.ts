/** Operators of the battery and the random data that an observation carries for them. */
import { float32, type HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import type { OperatorSpec } from "../../src/operators/spec.ts";

/** A forward operator of the battery. */
export type Measured =
  /** Each entry of a vector or pixel is seen with this probability; one entry at least. */
  | { readonly kind: "mask"; readonly share: number }
  /** Random unit rows, new ones for each observation or the same for all. */
  | { readonly kind: "projections"; readonly count: number; readonly isShared?: true }
  /** A 3 x 3 Gaussian kernel for each observation, of deviation 0.4 to 1.2 pixels. */
  | { readonly kind: "blur" }
  /** Means of 2 x 2 pixels after a move by a pixel at most, another one for each observation: no part of an image is never seen. */
  | { readonly kind: "pool" }
  /** Columns of k-space, each seen with this probability; the central one always. */
  | { readonly kind: "fourier"; readonly share: number };

/** An operator's data by name, [n, ...] each, or [1, ...] for all. */
export type Arrays = Record<string, HostArray<"float32">>;

/** Its specification. */
export function operatorOf(measured: Measured, latentShape: Shape): OperatorSpec {
  switch (measured.kind) {
    case "mask":
      return { name: "mask", maskShape: maskShape(latentShape) };
    case "projections":
      return { name: "matrix", measurements: measured.count };
    case "blur":
      return { name: "blur", kernelShape: [3, 3] };
    case "pool":
      return {
        name: "compose",
        parts: [
          { name: "blur", kernelShape: [3, 3] },
          { name: "average-pool", size: 2 },
        ],
      };
    case "fourier":
      return { name: "fourier", maskShape: [1, 1, latentShape.at(-1)!] };
  }
}

/** Channels of an image share their mask. */
function maskShape(latentShape: Shape): Shape {
  return latentShape.length === 3 ? [1, ...latentShape.slice(1)] : latentShape;
}

/** The operator's data for n observations. */
export function drawData(measured: Measured, latentShape: Shape, n: number, rng: Rng): Arrays {
  switch (measured.kind) {
    case "mask": {
      const shape = maskShape(latentShape);
      return { mask: drawMasks(shape, measured.share, n, rng, (size) => rng.integer(size)) };
    }
    case "fourier": {
      const W = latentShape.at(-1)!;
      return { mask: drawMasks([1, 1, W], measured.share, n, rng, () => Math.floor(W / 2)) };
    }
    case "projections": {
      const count = measured.isShared ? 1 : n;
      return { matrix: drawRows([count, measured.count, sizeOf(latentShape)], rng) };
    }
    case "blur":
      return { kernel: drawKernels(n, () => gaussianKernel(0.4 + 0.8 * rng.uniform())) };
    case "pool":
      return { "part0.kernel": drawKernels(n, () => moveKernel(rng.integer(3), rng.integer(3))) };
  }
}

/** @param always an entry of each mask that is seen in any case */
function drawMasks(
  shape: Shape,
  share: number,
  n: number,
  rng: Rng,
  always: (size: number) => number,
): HostArray<"float32"> {
  const size = sizeOf(shape);
  const data = Float32Array.from({ length: n * size }, () => Number(rng.uniform() < share));
  for (let i = 0; i < n; i++) data[i * size + always(size)] = 1;
  return float32(data, [n, ...shape]);
}

function drawKernels(n: number, one: () => number[]): HostArray<"float32"> {
  return float32(Array.from({ length: n }, one).flat(), [n, 3, 3]);
}

/** Entries of sum 1, row by row. */
function gaussianKernel(deviation: number): number[] {
  const side = [-1, 0, 1].map((d) => Math.exp(-(d ** 2) / (2 * deviation ** 2)));
  const total = side.reduce((a, b) => a + b, 0) ** 2;
  return side.flatMap((a) => side.map((b) => (a * b) / total));
}

/** One where it stands, so that an image moves by row - 1 and column - 1 pixels. */
function moveKernel(row: number, column: number): number[] {
  return Array.from({ length: 9 }, (_, i) => Number(i === 3 * row + column));
}

/** Rows of length 1 in random directions. */
function drawRows(shape: Shape, rng: Rng): HostArray<"float32"> {
  const N = shape.at(-1)!;
  const data = new Float32Array(sizeOf(shape));
  rng.fillNormal(data);
  for (let start = 0; start < data.length; start += N) {
    const row = data.subarray(start, start + N);
    const length = Math.hypot(...row);
    for (let j = 0; j < N; j++) row[j]! /= length;
  }
  return float32(data, shape);
}
