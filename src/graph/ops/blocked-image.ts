/**
 * What images in blocks [N, C / b, H, W, b] (see blocked.ts) go through without leaving that layout. All take and return
 * tensors of the nominal shape [N, C, H, W].
 */
import { float32 } from "../../core/array.ts";
import { constant, node, type Op, type Tensor } from "../tensor.ts";
import { BLOCKED_DOMAIN, blockedConv, blockedConvOp } from "./blocked.ts";
import { expand, reshape } from "./broadcast.ts";
import { mul } from "./elementwise.ts";
import type { Pair } from "./per-axis.ts";

/** Terms of an affine map of an image per channel. */
export interface Affine {
  readonly image: Tensor;
  /** [n, C, 1, 1], n the batch or 1. Default 1. */
  readonly scale?: Tensor | undefined;
  /** [n, C, 1, 1]. Default 0. */
  readonly bias?: Tensor | undefined;
  /** Another image. Default: none. */
  readonly added?: Tensor | undefined;
}

const TERMS = ["image", "scale", "bias", "added"] as const;

const affineOp: Op = {
  name: "BlockedAffine",
  expand: (t) => depthwise(affineTerms(t)!),
};

const depthwiseOp: Op = {
  name: "BlockedDepthwise",
  lower: (t) => ({ type: "Conv", domain: BLOCKED_DOMAIN, attributes: t.attributes }),
};

/** image scale + bias + added, in one pass over memory. */
export function affine(terms: Affine): Tensor {
  const present = TERMS.filter((term) => terms[term]);
  const { image } = terms;
  return node(
    affineOp,
    present.map((term) => terms[term]!),
    image.shape,
    image.dtype,
    { present },
  );
}

/** The terms that `affine` was made from; undefined for other tensors. */
function affineTerms(t: Tensor): Affine | undefined {
  if (t.op !== affineOp) return undefined;
  const present = t.attributes.present as (typeof TERMS)[number][];
  return Object.fromEntries(present.map((term, k) => [term, t.inputs[k]])) as unknown as Affine;
}

/**
 * The engine's convolution of each channel by itself with a kernel of one pixel. It works row by row, so that all pixels
 * make one row; factors that differ from sample to sample make the batch a part of the channels.
 */
function depthwise({ image, scale, bias, added }: Affine): Tensor {
  const [N, C, H, W] = image.shape as [number, number, number, number];
  const batch = Math.max(scale?.shape[0] ?? 1, bias?.shape[0] ?? 1);
  const groups = batch * C;
  const vector = (x: Tensor | undefined, missing: number) =>
    x
      ? reshape(expand(x, [batch, C, 1, 1]), [groups])
      : constant(float32(new Float32Array(groups).fill(missing)));
  const rows = (x: Tensor) => reshape(x, [N / batch, groups, 1, H * W]);
  const kernels = reshape(vector(scale, 1), [groups, 1, 1, 1]);
  const inputs = [rows(image), kernels, vector(bias, 0), ...(added ? [rows(added)] : [])];
  const attributes = { kernel_shape: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], group: groups };
  return reshape(node(depthwiseOp, inputs, inputs[0]!.shape, "float32", attributes), image.shape);
}

/** image + bias per channel, within the operator that made the image where that costs nothing. */
export function withBias(image: Tensor, bias: Tensor): Tensor {
  const made = affineTerms(image);
  return made && !made.bias && !made.added ? affine({ ...made, bias }) : affine({ image, bias });
}

/** image + added where the operator that made the image can add it; the image is not needed otherwise. */
export function withAdded(image: Tensor, added: Tensor): Tensor | undefined {
  const made = affineTerms(image);
  if (made) return made.added ? undefined : affine({ ...made, added });
  const [x, kernels, bias, before] = image.inputs;
  if (image.op !== blockedConvOp || before) return undefined;
  const offset = bias ?? constant(float32(new Float32Array(image.shape[1]!)));
  return node(blockedConvOp, [x!, kernels!, offset, added], image.shape, image.dtype, image.attributes);
}

/** A convolution of an image scaled per channel, equally in the batch, is one with scaled kernels. */
export function scaleInputs(convolution: Tensor): Tensor | undefined {
  const [x, kernels, ...others] = convolution.inputs as [Tensor, Tensor, ...Tensor[]];
  const made = affineTerms(x);
  const { shape, dtype, attributes } = convolution;
  const b = attributes.block as number | undefined;
  if (!b || made?.scale?.shape[0] !== 1 || made.bias || made.added) return undefined;
  const [O, I, K, L] = kernels.shape as [number, number, number, number];
  // blockedKernels: [O / b, I / b, K L, b (in), b (out)]; I is a multiple of b, as that of any image in blocks.
  const factors = reshape(made.scale, [1, I / b, 1, b, 1]);
  const scaled = reshape(mul(reshape(kernels, [O / b, I / b, K * L, b, b]), factors), kernels.shape);
  return node(blockedConvOp, [made.image, scaled, ...others], shape, dtype, attributes);
}

/** A convolution whose result is scaled per channel, equally in the batch, as one with scaled kernels and bias. */
export function scaleOutputs(convolution: Tensor, scale: Tensor): Tensor | undefined {
  const [x, kernels, bias, added] = convolution.inputs as [Tensor, Tensor, Tensor?, Tensor?];
  const { shape, dtype, attributes } = convolution;
  const b = attributes.block as number | undefined;
  if (!b || added) return undefined;
  const [O, I, K, L] = kernels.shape as [number, number, number, number];
  const factors = reshape(scale, [O / b, 1, b]);
  const scaled = reshape(mul(reshape(kernels, [O / b, I * K * L, b]), factors), kernels.shape);
  const offset = bias && mul(bias, reshape(scale, [O]));
  return node(blockedConvOp, [x, scaled, ...(offset ? [offset] : [])], shape, dtype, attributes);
}

/** The mean over channels, the same in each lane of one block: a convolution with equal kernels. */
export function channelMean(image: Tensor, b: number): Tensor {
  const C = image.shape[1]!;
  const kernels = constant(float32(new Float32Array(b * C).fill(1 / C), [b, C, 1, 1]));
  return blockedConv([image, kernels], [1, 1], b);
}

const takeLaneOp: Op = {
  name: "TakeLane",
  lower: () => ({ type: "ReorderOutput", domain: BLOCKED_DOMAIN, attributes: { channels: 1 } }),
};

/** [N, 1, H, W] from one block [N, b, H, W] whose lanes are equal. */
export function takeLane(lanes: Tensor): Tensor {
  const [N, , H, W] = lanes.shape as [number, number, number, number];
  return node(takeLaneOp, [lanes], [N, 1, H, W]);
}

/** The block that `takeLane` took a lane of. */
export function lanesOf(x: Tensor): Tensor | undefined {
  return x.op === takeLaneOp ? x.inputs[0]! : undefined;
}

/** Values per pixel, [N, 1, H, W], repeated in each lane of a block. */
export function spreadLanes(x: Tensor, b: number): Tensor {
  const [N, , H, W] = x.shape as [number, number, number, number];
  return expand(reshape(x, [N, H * W, 1]), [N, H * W, b]);
}

const globalAveragePoolOp: Op = {
  name: "BlockedGlobalAveragePool",
  lower: () => ({ type: "GlobalAveragePool", domain: BLOCKED_DOMAIN, attributes: {} }),
};

/** Sum over the pixels of each channel, [N, C, 1, 1], which is the same in both layouts. */
export function sumPixels(x: Tensor): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  return mul(node(globalAveragePoolOp, [x], [N, C, 1, 1]), H * W);
}

const upsampleOp: Op = {
  name: "BlockedUpsample",
  lower: ({ attributes: { scale } }) => ({
    type: "Upsample",
    domain: BLOCKED_DOMAIN,
    attributes: {
      scales: [1, 1, ...scale],
      mode: "nearest",
      coordinate_transformation_mode: "asymmetric",
    },
  }),
};

/** Every pixel becomes a block of pixels. */
export function upsample(x: Tensor, scale: Pair): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  return node(upsampleOp, [x], [N, C, H * scale[0], W * scale[1]], x.dtype, { scale });
}

const averagePoolOp: Op = {
  name: "BlockedAveragePool",
  lower: ({ attributes: { scale } }) => ({
    type: "AveragePool",
    domain: BLOCKED_DOMAIN,
    attributes: { kernel_shape: scale, strides: scale },
  }),
};

/** Means over blocks of pixels. */
export function averageBlocks(x: Tensor, scale: Pair): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  return node(averagePoolOp, [x], [N, C, H / scale[0], W / scale[1]], x.dtype, { scale });
}
