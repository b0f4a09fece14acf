import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, type Shape, sizeOf } from "../../core/shape.ts";
import { constant, matmul, mul, reshape, type Tensor, transpose } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { alignMask, maskFields, maskIndices, maskShapeOf } from "./mask.ts";
import { expectGrid } from "./places.ts";
import { randomColumns } from "./random-masks.ts";

/**
 * Centred orthonormal discrete Fourier transform along 1 to 3 axes, as one product with a constant matrix for each.
 *   k = F_H x F_W,   F_N[j, n] = exp(-2 pi i (j - c)(n - c) / N) / sqrt(N),   c = floor(N / 2)
 * is fftshift(fft2(ifftshift(x), norm="ortho")) for odd and even sizes, likewise fft and fftn. It keeps norms, and on
 * complex latents its adjoint is its inverse.
 * @param x real latents [B, 1, ...lengths], or complex ones [B, 2, ...lengths] with real and imaginary part
 * @returns real and imaginary part, [B, 2, ...lengths]
 */
export function fourierTransform(x: Tensor): Tensor {
  const [B, K, ...lengths] = x.shape as [number, number, ...number[]];
  if (lengths.length === 0 || K > 2)
    throw new ShapeError(
      `fourierTransform: x must be [B, 1 (real) or 2 (complex), ...lengths], got ${formatShape(x.shape)}.`,
    );
  const W = lengths.at(-1)!;
  const others = lengths.slice(0, -1);
  const R = sizeOf(others);
  // Along W the parts stand side by side, [Re | Im]; along others one above the other. So each is one real product.
  const rows = K === 1 ? x : transpose(reshape(x, [B, 2, R, W]), [0, 2, 1, 3]);
  const alongW = matmul(reshape(rows, [B * R, K * W]), dftOfRows(W, K === 2));
  const parts = transpose(reshape(alongW, [B, R, 2, W]), [0, 2, 1, 3]);
  return reshape(others.reduceRight(alongColumns, reshape(parts, [B, 2, R * W])), [B, 2, ...lengths]);
}

/** The transform along one of the axes before the last. @param x [B, 2, places] */
function alongColumns(x: Tensor, N: number, axis: number, others: readonly number[]): Tensor {
  const [B, , places] = x.shape as [number, number, number];
  const before = sizeOf(others.slice(0, axis));
  const after = places / before / N;
  const stacked = transpose(reshape(x, [B, 2, before, N * after]), [0, 2, 1, 3]);
  const columns = reshape(stacked, [B * before, 2 * N, after]);
  const transformed = reshape(matmul(dftOfColumns(N), columns), [B, before, 2, N * after]);
  return reshape(transpose(transformed, [0, 2, 1, 3]), [B, 2, places]);
}

/** A x = m * F x: k-space, of which the mask keeps some. @param m [B, ...], broadcasts to [B, 2, ...lengths] */
export function fourier(m: Tensor): LinearOperator {
  return (x) => {
    const k = fourierTransform(x);
    return mul(alignMask(m, k.shape), k);
  };
}

/**
 * Sub-sampled k-space of one coil.
 * @param latentShape [1, H, W] for real images, [2, H, W] for complex ones; likewise signals and volumes
 * @param maskShape broadcasts to [2, H, W], as [1, 1, W] for whole columns
 */
export function fourierFamily(latentShape: Shape, maskShape: Shape): OperatorFamily {
  const observationShape = kSpaceShape(latentShape);
  return {
    latentShape,
    observationShape,
    data: { mask: maskShape },
    masks: { mask: maskIndices(maskShape, observationShape) },
    bind: (data) => fourier(data.mask!),
  };
}

/** Shape of the k-space of latents, [2, H, W] for images. @throws ShapeError unless they have a grid and 1 or 2 channels */
export function kSpaceShape(latentShape: Shape): Shape {
  const { channels, lengths } = expectGrid(latentShape, "k-space");
  if (channels > 2)
    throw new ShapeError(
      `k-space: latents must have 1 (real) or 2 (complex) channels, got ${formatShape(latentShape)}.`,
    );
  return [2, ...lengths];
}

/** C + i D = F_N, each N x N and symmetric. The angle is reduced as an integer, which keeps it exact for any N. */
function dft(N: number, j: number, n: number): { C: number; D: number } {
  const c = Math.floor(N / 2);
  const turns = ((j - c) * (n - c)) % N;
  const angle = (-2 * Math.PI * turns) / N;
  return { C: Math.cos(angle) / Math.sqrt(N), D: Math.sin(angle) / Math.sqrt(N) };
}

/** [Re | Im] F = [Re | Im] [[C, D], [-D, C]]; for real rows the upper half. [N or 2 N, 2 N] */
function dftOfRows(N: number, complex: boolean): Tensor {
  return blocks(N, complex ? 2 : 1, ({ C, D }) => [
    [C, D],
    [-D, C],
  ]);
}

/** F [Re; Im] = [[C, -D], [D, C]] [Re; Im]. [2 N, 2 N] */
function dftOfColumns(N: number): Tensor {
  return blocks(N, 2, ({ C, D }) => [
    [C, -D],
    [D, C],
  ]);
}

/** A matrix of `down` x 2 blocks of N x N, made entry by entry. */
function blocks(
  N: number,
  down: number,
  entry: (parts: { C: number; D: number }) => [[number, number], [number, number]],
): Tensor {
  expectBearable([down * N, 2 * N], "fourierTransform");
  const values = new Float32Array(down * 2 * N * N);
  for (let j = 0; j < N; j++)
    for (let n = 0; n < N; n++) {
      const parts = entry(dft(N, j, n));
      for (let row = 0; row < down; row++)
        for (let column = 0; column < 2; column++)
          values[(row * N + j) * 2 * N + column * N + n] = parts[row]![column]!;
    }
  return constant(float32(values, [down * N, 2 * N]));
}

export const fourierKind: OperatorKind = {
  name: "fourier",
  fields: ["maskShape"],
  family: (spec, latentShape) => fourierFamily(latentShape, maskShapeOf(spec, kSpaceShape(latentShape))),
  fieldsOf: maskFields,
  isComplex: true,
  simulations: [
    simulation("fourier", { acceleration: "number" }, ({ acceleration }, latentShape) => {
      const W = latentShape.at(-1)!;
      return {
        operator: { name: "fourier", maskShape: [...latentShape.slice(1).fill(1), W] },
        draw: (rng) => ({ mask: randomColumns(W, acceleration, rng) }),
      };
    }),
  ],
  examples: [
    { spec: { name: "fourier", maskShape: [1, 1, 5] }, latentShape: [1, 4, 5] },
    { spec: { name: "fourier", maskShape: [6] }, latentShape: [2, 3, 6] },
    { spec: { name: "fourier", maskShape: [1, 5] }, latentShape: [1, 5] },
    { spec: { name: "fourier", maskShape: [2, 3, 1, 4] }, latentShape: [2, 3, 2, 4] },
  ],
};
