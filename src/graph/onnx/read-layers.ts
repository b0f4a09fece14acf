/** ONNX operators of networks: products, convolutions, normalizations, resampling. */

import { ShapeError } from "../../core/errors.ts";
import { expectShape, formatShape } from "../../core/shape.ts";
import { standardize } from "../ops/activation.ts";
import { reshape } from "../ops/broadcast.ts";
import { conv2d, convTranspose2d } from "../ops/convolution.ts";
import { add, mul, reciprocal, sqrt, sub } from "../ops/elementwise.ts";
import { matmul } from "../ops/matmul.ts";
import { pad, slice, transpose } from "../ops/movement.ts";
import type { Pair } from "../ops/per-axis.ts";
import { mean } from "../ops/reduce.ts";
import { averagePool } from "../ops/resize.ts";
import type { Tensor } from "../tensor.ts";
import type { NodeReader } from "./node-reader.ts";
import type { Builder } from "./read-arrays.ts";
import { dft } from "./read-dft.ts";
import { einsum } from "./read-einsum.ts";
import { maxPool } from "./read-max-pool.ts";
import { padNode } from "./read-pad.ts";
import { resizeNode } from "./read-resize.ts";

/** Vectors are rows on the left and columns on the right, and lose that axis afterwards. */
const matmulNode: Builder = (n) => {
  const [a, b] = [n.input(0), n.input(1)];
  const left = a.shape.length === 1 ? reshape(a, [1, a.shape[0]!]) : a;
  const right = b.shape.length === 1 ? reshape(b, [b.shape[0]!, 1]) : b;
  const product = matmul(left, right);
  const rank = product.shape.length;
  const dropped = [...(a.shape.length === 1 ? [rank - 2] : []), ...(b.shape.length === 1 ? [rank - 1] : [])];
  return reshape(
    product,
    product.shape.filter((_, axis) => !dropped.includes(axis)),
  );
};

const gemm: Builder = (n) => {
  const flags = { transA: n.integer("transA", 0) === 1, transB: n.integer("transB", 0) === 1 };
  const product = mul(matmul(n.input(0), n.input(1), flags), n.float("alpha", 1));
  return n.has(2) ? add(product, mul(n.input(2), n.float("beta", 1))) : product;
};

const fusedMatmul: Builder = (n) => {
  n.only("transBatchA", 0);
  n.only("transBatchB", 0);
  const flags = { transA: n.integer("transA", 0) === 1, transB: n.integer("transB", 0) === 1 };
  return mul(matmul(n.input(0), n.input(1), flags), n.float("alpha", 1));
};

/** Geometry of a kernel along the two axes of an image; one axis counts as an image of one row. */
interface Geometry {
  readonly stride: Pair;
  readonly groups: number;
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
  /** Whether images have one axis. */
  readonly isLine: boolean;
}

function geometry(n: NodeReader, spatial: number): Geometry {
  if (spatial !== 1 && spatial !== 2) throw n.unsupported(`a kernel over ${spatial} axes`);
  if (!["NOTSET", "VALID"].includes(n.text("auto_pad", "NOTSET")))
    throw n.unsupported(`auto_pad ${n.text("auto_pad", "")}`);
  const [first = 1, second = 1] = n.integers("strides") ?? [];
  const given = n.integers("pads") ?? Array.from({ length: 2 * spatial }, () => 0);
  if (given.length !== 2 * spatial || given.some((size) => size < 0))
    throw n.unsupported(`pads ${formatShape(given)}`);
  const [a, b, c, d] = given as [number, number, number, number];
  return {
    stride: spatial === 1 ? [1, first] : [first, second],
    groups: n.integer("group", 1),
    pads: spatial === 1 ? [0, a, 0, b] : [a, b, c, d],
    isLine: spatial === 1,
  };
}

/** [N, C, W] as [N, C, 1, W]. */
function asImage(x: Tensor, isLine: boolean): Tensor {
  return isLine ? reshape(x, [...x.shape.slice(0, 2), 1, ...x.shape.slice(2)]) : x;
}

function fromImage(x: Tensor, isLine: boolean): Tensor {
  return isLine ? reshape(x, [...x.shape.slice(0, 2), ...x.shape.slice(3)]) : x;
}

/** Kernels with zeros between their entries, as dilation reads them. */
function dilated(w: Tensor, steps: readonly number[] | undefined): Tensor {
  return (steps ?? []).reduce((value, step, k) => {
    const axis = k + 2;
    if (step === 1) return value;
    const size = value.shape[axis]!;
    const apart = reshape(
      value,
      value.shape.flatMap((length, at) => (at === axis ? [length, 1] : [length])),
    );
    const spread = value.shape.map((length, at) => (at === axis ? length * step : length));
    return slice(reshape(pad(apart, axis + 1, 0, step - 1), spread), axis, 0, (size - 1) * step + 1);
  }, w);
}

const conv: Builder = (n) => {
  const { stride, groups, pads, isLine } = geometry(n, n.input(0).shape.length - 2);
  const [top, left, bottom, right] = pads;
  const kernels = dilated(n.input(1), n.integers("dilations"));
  const [x, w] = [asImage(n.input(0), isLine), asImage(kernels, isLine)];
  const isEven = top === bottom && left === right;
  const images = isEven ? x : pad(pad(x, 2, top, bottom), 3, left, right);
  const options = { stride, groups, padding: isEven ? ([top, left] as const) : 0 };
  return fromImage(conv2d(images, w, n.has(2) ? n.input(2) : undefined, options), isLine);
};

const convTranspose: Builder = (n) => {
  const { stride, groups, pads, isLine } = geometry(n, n.input(0).shape.length - 2);
  const [top, left, bottom, right] = pads;
  if (n.integers("output_shape")) throw n.unsupported("output_shape");
  const extra = n.integers("output_padding") ?? [0, 0];
  const more: readonly [number, number] = isLine ? [0, extra[0] ?? 0] : [extra[0] ?? 0, extra[1] ?? 0];
  const images = convTranspose2d(
    asImage(n.input(0), isLine),
    asImage(dilated(n.input(1), n.integers("dilations")), isLine),
    { stride, groups },
    more,
  );
  const [H, W] = images.shape.slice(2) as [number, number];
  const cut = slice(slice(images, 2, top, H - bottom), 3, left, W - right);
  const y = fromImage(cut, isLine);
  return n.has(2) ? add(y, alongChannels(n.input(2), y)) : y;
};

/** A vector of channels [C] beside x [N, C, ...]. */
function alongChannels(vector: Tensor, x: Tensor): Tensor {
  return reshape(vector, [vector.shape[0] ?? 0, ...x.shape.slice(2).map(() => 1)]);
}

const batchNormalization: Builder = (n) => {
  n.only("training_mode", 0);
  const x = n.input(0);
  const [scale, bias, centre, variance] = [1, 2, 3, 4].map((k) => alongChannels(n.input(k), x)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const factor = mul(scale, reciprocal(sqrt(add(variance, n.float("epsilon", 1e-5)))));
  return add(mul(sub(x, centre), factor), bias);
};

const instanceNormalization: Builder = (n) => {
  const x = n.input(0);
  const axes = x.shape.flatMap((_, axis) => (axis > 1 ? [axis] : []));
  const normal = standardize(x, axes, n.float("epsilon", 1e-5));
  return add(mul(normal, alongChannels(n.input(1), x)), alongChannels(n.input(2), x));
};

const layerNormalization: Builder = (n) => {
  if (n.outputs > 1) throw n.unsupported("more than one output");
  const x = n.input(0);
  const first = n.integer("axis", -1);
  const from = first < 0 ? first + x.shape.length : first;
  const axes = x.shape.flatMap((_, axis) => (axis >= from ? [axis] : []));
  const scaled = mul(standardize(x, axes, n.float("epsilon", 1e-5)), n.input(1));
  return n.has(2) ? add(scaled, n.input(2)) : scaled;
};

const averagePoolNode: Builder = (n) => {
  if (n.integers("dilations")?.some((step) => step !== 1)) throw n.unsupported("a dilated window");
  const { stride, pads } = geometry(n, n.input(0).shape.length - 2);
  const kernel = n.integers("kernel_shape") ?? [];
  const isTiled = kernel.length === 2 && kernel.every((size, axis) => size === stride[axis]);
  if (pads.some((size) => size > 0) || !isTiled)
    throw n.unsupported("a window other than blocks side by side");
  const x = n.input(0);
  const { H, W } = expectShape(x.shape, ["N", "C", "H", "W"], "AveragePool");
  const [h, w] = [H - (H % stride[0]), W - (W % stride[1])];
  if (h < H || w < W) n.only("ceil_mode", 0);
  return averagePool(slice(slice(x, 2, 0, h), 3, 0, w), stride);
};

const globalAveragePool: Builder = (n) => {
  const x = n.input(0);
  return mean(
    x,
    x.shape.flatMap((_, axis) => (axis > 1 ? [axis] : [])),
    true,
  );
};

const depthToSpace: Builder = (n) => {
  const x = n.input(0);
  const { N, C, H, W } = expectShape(x.shape, ["N", "C", "H", "W"], "DepthToSpace");
  const b = n.integer("blocksize", 0);
  if (!(b > 0) || C % (b * b) !== 0)
    throw new ShapeError(`DepthToSpace: blocks of ${b} do not divide ${C} channels.`);
  const D = C / (b * b);
  const isCrd = n.text("mode", "DCR") === "CRD";
  const parts = reshape(x, isCrd ? [N, D, b, b, H, W] : [N, b, b, D, H, W]);
  return reshape(transpose(parts, isCrd ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]), [N, D, H * b, W * b]);
};

/** Builders by the type of the node. */
export const LAYER_BUILDERS: Readonly<Record<string, Builder>> = {
  MatMul: matmulNode,
  FusedMatMul: fusedMatmul,
  Gemm: gemm,
  Conv: conv,
  ConvTranspose: convTranspose,
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  AveragePool: averagePoolNode,
  GlobalAveragePool: globalAveragePool,
  Einsum: einsum,
  MaxPool: maxPool,
  Resize: resizeNode,
  Pad: padNode,
  DFT: dft,
  DepthToSpace: depthToSpace,
};
