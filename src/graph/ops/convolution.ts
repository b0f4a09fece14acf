import { ShapeError } from "../../core/errors.ts";
import { expectShape, formatShape, type Shape } from "../../core/shape.ts";
import { node, type Op, type Tensor } from "../tensor.ts";
import { blockedConvolution, type Geometry } from "./blocked.ts";
import { blockedWeightGradient } from "./blocked-gradient.ts";
import { reshape, sum } from "./broadcast.ts";
import { add, mul } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { concat, flip, pad, slice, transpose } from "./movement.ts";
import { type Pair, type PerAxis, perAxis } from "./per-axis.ts";

/** How a kernel moves over an image; one number is for rows and columns. */
export interface ConvolutionOptions {
  /** Step of the kernel, in pixels. Default 1. */
  readonly stride?: PerAxis;
  /** Zeros added on each side. Default 0. */
  readonly padding?: PerAxis;
  /** Independent groups of channels. Default 1. */
  readonly groups?: number;
}

function geometryOf({ stride = 1, padding = 0, groups = 1 }: ConvolutionOptions, where: string): Geometry {
  const geometry = { stride: perAxis(stride), padding: perAxis(padding), groups };
  const isWhole = (least: number) => (n: number) => Number.isInteger(n) && n >= least;
  if (!([...geometry.stride, groups].every(isWhole(1)) && geometry.padding.every(isWhole(0))))
    throw new ShapeError(
      `${where}: stride and groups must be integers >= 1, padding one >= 0, got ${stride}, ${groups} and ${padding}.`,
    );
  return geometry;
}

const onnxAttributes = ({ stride, padding, groups }: Geometry) => ({
  strides: stride,
  pads: [...padding, ...padding],
  group: groups,
});

const convOp: Op = {
  name: "Conv",
  lower: (t) => ({ attributes: onnxAttributes(t.attributes as Geometry) }),
  expand: (t, { blockSize, freeBatch }) => {
    const [x, w, bias] = t.inputs as [Tensor, Tensor, Tensor?];
    const { stride, padding, groups } = t.attributes as Geometry;
    if (!bias && isOfEachSample(w, groups, freeBatch)) return channelsByTaps(framed(x, padding), w, stride);
    return blockedConvolution(x, w, bias, t.attributes as Geometry, blockSize);
  },
  vjp: (t, g) => {
    const [x, w, bias] = t.inputs as [Tensor, Tensor, Tensor?];
    const geometry = t.attributes as Geometry;
    return [
      convInputGradient(g, w, x.shape, geometry),
      convWeightGradient(x, g, w.shape, geometry),
      ...(bias ? [sum(g, [0, 2, 3])] : []),
    ];
  },
};

/**
 * Cross-correlation of images with kernels.
 *   y[n, o, i, j] = bias[o] + sum_{c, k, l} w[o, c, k, l] x[n, c, i stride + k - padding, j stride + l - padding]
 * with the stride and padding of each axis.
 * @param x images, [N, C, H, W]
 * @param w kernels, [O, C / groups, kh, kw]
 * @param bias [O]
 */
export function conv2d(x: Tensor, w: Tensor, bias?: Tensor, options: ConvolutionOptions = {}): Tensor {
  const { stride, padding, groups } = geometryOf(options, "conv2d");
  const { N, C, H, W } = expectShape(x.shape, ["N", "C", "H", "W"], "conv2d: x");
  if (C % groups !== 0) throw new ShapeError(`conv2d: ${groups} groups do not divide ${C} input channels.`);
  const { O, K, L } = expectShape(w.shape, ["O", C / groups, "K", "L"], "conv2d: w");
  if (bias) expectShape(bias.shape, [O], "conv2d: bias");
  if (O % groups !== 0) throw new ShapeError(`conv2d: ${groups} groups do not divide ${O} output channels.`);
  const outputSize = (size: number, kernel: number, axis: 0 | 1) =>
    Math.floor((size + 2 * padding[axis] - kernel) / stride[axis]) + 1;
  const shape = [N, O, outputSize(H, K, 0), outputSize(W, L, 1)];
  if (shape.some((size) => size < 1))
    throw new ShapeError(`conv2d: kernel ${K} x ${L} exceeds the padded image ${formatShape(x.shape)}.`);
  return node(convOp, bias ? [x, w, bias] : [x, w], shape, x.dtype, { stride, padding, groups });
}

/** Whether each channel of each sample has a kernel of its own, [O, 1, K, L]: ONNX has no free number of groups. */
function isOfEachSample(w: Tensor, groups: number, freeBatch: number | undefined): boolean {
  return freeBatch !== undefined && groups % freeBatch === 0 && w.shape[0] === groups && w.shape[1] === 1;
}

/** Cross-correlation of each channel with its kernel, as a sum over the kernel's entries. @param x [1, C, H, W] @param w [C, 1, K, L] */
function channelsByTaps(x: Tensor, w: Tensor, [down, across]: Pair): Tensor {
  const [C, , K, L] = w.shape as [number, number, number, number];
  const h = Math.floor((x.shape[2]! - K) / down);
  const width = Math.floor((x.shape[3]! - L) / across);
  let total: Tensor | undefined;
  for (let k = 0; k < K; k++)
    for (let l = 0; l < L; l++) {
      const rows = slice(x, 2, k, k + h * down + 1, down);
      const shifted = slice(rows, 3, l, l + width * across + 1, across);
      const tap = mul(reshape(slice(slice(w, 2, k, k + 1), 3, l, l + 1), [1, C, 1, 1]), shifted);
      total = total ? add(total, tap) : tap;
    }
  return total!;
}

/** Zeros around images. */
function framed(x: Tensor, [rows, columns]: Pair): Tensor {
  return rows === columns ? pad(x, [2, 3], rows, rows) : pad(pad(x, 2, rows, rows), 3, columns, columns);
}

/** J' g with respect to the image: a convolution with the flipped kernels where the geometry allows it. */
function convInputGradient(g: Tensor, w: Tensor, shape: Shape, geometry: Geometry): Tensor {
  const { stride, padding, groups } = geometry;
  const [, , K, L] = w.shape as [number, number, number, number];
  // Measured (onnxruntime 1.30): Conv with constant flipped kernels takes 0.8 of the time of ConvTranspose.
  if (stride.every((step) => step === 1) && groups === 1 && padding[0] < K && padding[1] < L)
    return conv2d(g, flippedKernels(w), undefined, { padding: [K - 1 - padding[0], L - 1 - padding[1]] });
  const [height, width] = shape.slice(2) as [number, number];
  const lost = (size: number, kernel: number, axis: 0 | 1) =>
    (size + 2 * padding[axis] - kernel) % stride[axis];
  return convTranspose2d(g, w, { stride, padding, groups }, [lost(height, K, 0), lost(width, L, 1)]);
}

/** Kernels turned by half a circle with input and output channels exchanged. */
function flippedKernels(w: Tensor): Tensor {
  const turned = w.shape[2] === 1 && w.shape[3] === 1 ? w : flip(w, [2, 3]);
  return transpose(turned, [1, 0, 2, 3]);
}

const convWeightGradientOp: Op = {
  name: "ConvWeightGradient",
  expand: (t, { blockSize }) => {
    const [x, g] = t.inputs as [Tensor, Tensor];
    const geometry = t.attributes as Geometry;
    return (
      blockedWeightGradient(x, g, t.shape, geometry, blockSize) ??
      weightGradientByTaps(x, g, t.shape, geometry)
    );
  },
  vjp: (t, c) => {
    const [x, g] = t.inputs as [Tensor, Tensor];
    const geometry = t.attributes as Geometry;
    return [convInputGradient(g, c, x.shape, geometry), conv2d(x, c, undefined, geometry)];
  },
};

/** J' g with respect to the kernels: dw[o, c, k, l] = sum_{n, i, j} g[n, o, i, j] x[n, c, i stride + k - padding, ...]. */
function convWeightGradient(
  x: Tensor,
  g: Tensor,
  shape: Shape,
  { stride, padding, groups }: Geometry,
): Tensor {
  return node(convWeightGradientOp, [x, g], shape, x.dtype, { stride, padding, groups });
}

/** For each tap (k, l), the product over pixels of g with the image shifted by that tap, summed over the batch. */
function weightGradientByTaps(
  x: Tensor,
  g: Tensor,
  shape: Shape,
  { stride, padding, groups }: Geometry,
): Tensor {
  const [N, O, h, width] = g.shape as [number, number, number, number];
  const [, I, K, L] = shape as [number, number, number, number];
  const padded = framed(x, padding);
  const cotangent = reshape(g, [N, groups, O / groups, h * width]);
  const taps: Tensor[] = [];
  for (let k = 0; k < K; k++)
    for (let l = 0; l < L; l++) {
      const down = slice(padded, 2, k, k + (h - 1) * stride[0] + 1, stride[0]);
      const shifted = slice(down, 3, l, l + (width - 1) * stride[1] + 1, stride[1]);
      const pixels = reshape(shifted, [N, groups, I, h * width]);
      taps.push(reshape(sum(matmul(cotangent, pixels, { transB: true }), [0]), [O, I, 1]));
    }
  return reshape(concat(taps, 2), shape);
}

const convTransposeOp: Op = {
  name: "ConvTranspose",
  lower: (t) => ({
    attributes: { ...onnxAttributes(t.attributes as Geometry), output_padding: t.attributes.outputPadding },
  }),
  expand: (t, { freeBatch }) => {
    const [x, w] = t.inputs as [Tensor, Tensor];
    const { stride, padding, groups } = t.attributes as Geometry;
    const [, , K, L] = w.shape as [number, number, number, number];
    const isPlain = stride.every((step) => step === 1) && padding[0] < K && padding[1] < L;
    if (!isOfEachSample(w, groups, freeBatch) || !isPlain) return undefined;
    return channelsByTaps(framed(x, [K - 1 - padding[0], L - 1 - padding[1]]), flip(w, [2, 3]), [1, 1]);
  },
  vjp: (t, g) => {
    const [x, w] = t.inputs as [Tensor, Tensor];
    const { stride, padding, groups } = t.attributes as Geometry;
    const geometry = { stride, padding, groups };
    return [conv2d(g, w, undefined, geometry), convWeightGradient(g, x, w.shape, geometry)];
  },
};

/**
 * The adjoint of `conv2d` with the same kernels and geometry.
 * @param x [N, C, h, w]
 * @param w kernels, [C, O / groups, kh, kw]
 * @param outputPadding rows and columns that the strided convolution never read, added at the far side
 */
export function convTranspose2d(
  x: Tensor,
  w: Tensor,
  options: ConvolutionOptions = {},
  outputPadding: readonly [number, number] = [0, 0],
): Tensor {
  const { stride, padding, groups } = geometryOf(options, "convTranspose2d");
  const { N, C, H, W } = expectShape(x.shape, ["N", "C", "H", "W"], "convTranspose2d: x");
  const { O, K, L } = expectShape(w.shape, [C, "O", "K", "L"], "convTranspose2d: w");
  const size = (n: number, kernel: number, axis: 0 | 1) =>
    (n - 1) * stride[axis] - 2 * padding[axis] + kernel + outputPadding[axis];
  const shape = [N, O * groups, size(H, K, 0), size(W, L, 1)];
  if (C % groups !== 0)
    throw new ShapeError(`convTranspose2d: ${groups} groups do not divide ${C} input channels.`);
  if (outputPadding.some((extra, axis) => extra < 0 || extra >= stride[axis]!))
    throw new ShapeError(
      `convTranspose2d: output padding must be in [0, stride), got ${formatShape(outputPadding)} and ${formatShape(stride)}.`,
    );
  if (shape.some((n) => n < 1))
    throw new ShapeError(
      `convTranspose2d: padding ${formatShape(padding)} leaves nothing of the image ${formatShape(shape)}.`,
    );
  return node(convTransposeOp, [x, w], shape, x.dtype, { stride, padding, groups, outputPadding });
}
