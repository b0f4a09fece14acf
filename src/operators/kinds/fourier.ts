import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { finite, flag } from "../../core/kinds.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, type Shape, sizeOf } from "../../core/shape.ts";
import { constant, matmul, mul, reshape, type Tensor, transpose } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import type { FourierForm, SpecFields } from "../spec.ts";
import { alignMask, maskFields, maskIndices, maskShapeOf } from "./mask.ts";
import { expectGrid } from "./places.ts";
import { randomColumns } from "./random-masks.ts";

/**
 * Centred orthonormal discrete Fourier transform along 1 to 3 axes, as one product with a constant matrix for each.
 *   k = F_H x F_W,   F_N[j, n] = exp(-2 pi i (j - c)(n - c) / N) / sqrt(N),   c = floor(N / 2)
 * is fftshift(fft2(ifftshift(x), norm="ortho")) for odd and even sizes, likewise fft and fftn. It keeps norms, and on
 * complex latents its adjoint is its inverse. Not centred, c = 0; not orthonormal, without 1 / sqrt(N).
 * @param x real latents [B, 1, ...lengths], or complex ones [B, 2, ...lengths] with real and imaginary part
 * @returns real and imaginary part, [B, 2, ...lengths]
 */
export function fourierTransform(x: Tensor, form: FourierForm = {}): Tensor {
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
  const alongW = matmul(reshape(rows, [B * R, K * W]), dftOfRows(W, K === 2, form));
  const parts = transpose(reshape(alongW, [B, R, 2, W]), [0, 2, 1, 3]);
  const transformed = others.reduceRight(
    (k, N, axis) => alongColumns(k, dftOfColumns(N, form), sizeOf(others.slice(0, axis))),
    reshape(parts, [B, 2, R * W]),
  );
  return reshape(transformed, [B, 2, ...lengths]);
}

/** The transform along one of the axes before the last. @param x [B, 2, places] @param F [2 N, 2 N] @param before places before that axis */
function alongColumns(x: Tensor, F: Tensor, before: number): Tensor {
  const [B, , places] = x.shape as [number, number, number];
  const N = F.shape[0]! / 2;
  const after = places / before / N;
  const stacked = transpose(reshape(x, [B, 2, before, N * after]), [0, 2, 1, 3]);
  const columns = reshape(stacked, [B * before, 2 * N, after]);
  const transformed = reshape(matmul(F, columns), [B, before, 2, N * after]);
  return reshape(transpose(transformed, [0, 2, 1, 3]), [B, 2, places]);
}

/** A x = m * F x: the part of k-space that the mask keeps. @param m [B, ...], broadcasts to [B, 2, ...lengths] */
export function fourier(m: Tensor, form: FourierForm = {}): LinearOperator {
  return (x) => {
    const k = fourierTransform(x, form);
    return mul(alignMask(m, k.shape), k);
  };
}

/**
 * Sub-sampled k-space of one coil.
 * @param latentShape [1, H, W] for real images, [2, H, W] for complex ones; likewise signals and volumes
 * @param maskShape broadcasts to [2, H, W], as [1, 1, W] for whole columns
 */
export function fourierFamily(latentShape: Shape, maskShape: Shape, form: FourierForm = {}): OperatorFamily {
  const observationShape = kSpaceShape(latentShape);
  return {
    latentShape,
    observationShape,
    data: { mask: maskShape },
    masks: { mask: maskIndices(maskShape, observationShape) },
    orthogonal: true,
    bind: (data) => fourier(data.mask!, form),
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
function dft(
  N: number,
  j: number,
  n: number,
  { centred = true, orthonormal = true }: FourierForm,
): { C: number; D: number } {
  const c = centred ? Math.floor(N / 2) : 0;
  const scale = orthonormal ? 1 / Math.sqrt(N) : 1;
  const turns = ((j - c) * (n - c)) % N;
  const angle = (-2 * Math.PI * turns) / N;
  return { C: scale * Math.cos(angle), D: scale * Math.sin(angle) };
}

/** [Re | Im] F = [Re | Im] [[C, D], [-D, C]]; for real rows the upper half. [N or 2 N, 2 N] */
function dftOfRows(N: number, complex: boolean, form: FourierForm): Tensor {
  return blocks(N, complex ? 2 : 1, form, ({ C, D }) => [
    [C, D],
    [-D, C],
  ]);
}

/** F [Re; Im] = [[C, -D], [D, C]] [Re; Im]. [2 N, 2 N] */
function dftOfColumns(N: number, form: FourierForm): Tensor {
  return blocks(N, 2, form, ({ C, D }) => [
    [C, -D],
    [D, C],
  ]);
}

/** A matrix of `down` x 2 blocks of N x N, made entry by entry. */
function blocks(
  N: number,
  down: number,
  form: FourierForm,
  entry: (parts: { C: number; D: number }) => [[number, number], [number, number]],
): Tensor {
  expectBearable([down * N, 2 * N], "fourierTransform");
  const values = new Float32Array(down * 2 * N * N);
  for (let j = 0; j < N; j++)
    for (let n = 0; n < N; n++) {
      const parts = entry(dft(N, j, n, form));
      for (let row = 0; row < down; row++)
        for (let column = 0; column < 2; column++)
          values[(row * N + j) * 2 * N + column * N + n] = parts[row]![column]!;
    }
  return constant(float32(values, [down * N, 2 * N]));
}

/** The form of the transform that a specification names. */
export function formOf(spec: SpecFields): Required<FourierForm> {
  const isSo = (field: keyof FourierForm) => !spec.has(field) || spec.read(field, flag);
  return { centred: isSo("centred"), orthonormal: isSo("orthonormal") };
}

export const fourierKind: OperatorKind = {
  name: "fourier",
  fields: ["maskShape", "centred", "orthonormal"],
  family: (spec, latentShape) =>
    fourierFamily(latentShape, maskShapeOf(spec, kSpaceShape(latentShape)), formOf(spec)),
  arrays: ["mask"],
  fieldsOf: maskFields,
  isComplex: true,
  simulations: [
    simulation("fourier", { acceleration: finite }, ({ acceleration }, latentShape) => {
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
    {
      spec: { name: "fourier", maskShape: [6], centred: false, orthonormal: false },
      latentShape: [1, 3, 6],
    },
    { spec: { name: "fourier", maskShape: [1, 5] }, latentShape: [1, 5] },
    { spec: { name: "fourier", maskShape: [2, 3, 1, 4] }, latentShape: [2, 3, 2, 4] },
  ],
};
