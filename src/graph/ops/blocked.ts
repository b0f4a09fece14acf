/**
 * Convolutions in the engine's own blocked layout (domain com.microsoft.nchwc): channels in blocks of b, b the width of
 * a vector register, [N, C / b, H, W, b]. ONNX Runtime uses it by itself where weights are constants, which in training
 * they are not. Measured in a training step of the demo's network (32 images, one thread of an AVX-512 processor):
 * forward and input gradients 95 -> 40 ms (weight gradients: see blocked-gradient.ts).
 */
import { inputOp, node, type Op, type Tensor } from "../tensor.ts";
import { reachable } from "../traverse.ts";
import { reshape } from "./broadcast.ts";
import { flip, pad, transpose } from "./movement.ts";
import type { Pair } from "./per-axis.ts";

export const BLOCKED_DOMAIN = "com.microsoft.nchwc";

/** [N, C, H, W] to blocks; the nominal shape stays. */
const reorderInputOp: Op = {
  name: "ReorderInput",
  lower: () => ({ domain: BLOCKED_DOMAIN, attributes: {} }),
};

/** The same for kernels, which are no images whose layout might be kept. */
const blockKernelsOp: Op = {
  name: "BlockKernels",
  lower: () => ({ type: "ReorderInput", domain: BLOCKED_DOMAIN, attributes: {} }),
};

/** Blocks back to [N, C, H, W], dropping channels that only fill up the last block. */
export const reorderOutputOp: Op = {
  name: "ReorderOutput",
  lower: (t) => ({ domain: BLOCKED_DOMAIN, attributes: { channels: t.shape[1]! } }),
};

/** Inputs: images, kernels, a bias and an image to add, the last two if any. `block` is b where kernels come from `blockedKernels`. */
export const blockedConvOp: Op = {
  name: "BlockedConv",
  lower: ({ attributes: { block: _, ...attributes } }) => ({
    type: "Conv",
    domain: BLOCKED_DOMAIN,
    attributes,
  }),
};

export interface Geometry {
  readonly stride: Pair;
  readonly padding: Pair;
  readonly groups: number;
}

/** `conv2d` by blocks of b channels; undefined where the engine cannot. */
export function blockedConvolution(
  x: Tensor,
  w: Tensor,
  bias: Tensor | undefined,
  { stride, padding, groups }: Geometry,
  b: number,
): Tensor | undefined {
  const [O, I, K, L] = w.shape as [number, number, number, number];
  // Fewer channels than a block are read as they are; more must fill whole blocks.
  const plain = I < b;
  if (b === 1 || groups !== 1 || (!plain && I % b !== 0)) return undefined;
  const extra = Math.ceil(O / b) * b - O;
  const kernels = blockedKernels(pad(w, 0, 0, extra), b, plain);
  const inputs = [plain ? x : reorderInput(x), kernels, ...(bias ? [pad(bias, 0, 0, extra)] : [])];
  return reorderOutput(blockedConv(inputs, [K, L], b, stride, padding), O);
}

/** @param inputs see `blockedConvOp` @returns an image in blocks */
export function blockedConv(
  inputs: readonly Tensor[],
  [K, L]: Pair,
  b: number,
  stride: Pair = [1, 1],
  padding: Pair = [0, 0],
): Tensor {
  const [N, , H, W] = inputs[0]!.shape as [number, number, number, number];
  const size = (n: number, kernel: number, axis: 0 | 1) =>
    Math.floor((n + 2 * padding[axis] - kernel) / stride[axis]) + 1;
  return node(blockedConvOp, inputs, [N, inputs[1]!.shape[0]!, size(H, K, 0), size(W, L, 1)], "float32", {
    kernel_shape: [K, L],
    strides: stride,
    pads: [...padding, ...padding],
    block: b,
  });
}

/** An image in blocks. */
export function reorderInput(x: Tensor): Tensor {
  return node(reorderInputOp, [x], x.shape);
}

/** The first channels of a blocked image, in plain layout. */
export function reorderOutput(x: Tensor, channels = x.shape[1]!): Tensor {
  return node(reorderOutputOp, [x], [x.shape[0]!, channels, ...x.shape.slice(2)]);
}

/** Kernels [O, I, K, L] as [O / b, I / b, K, L, b (in), b (out)], or [O / b, I, K, L, b (out)] for plain images. */
function blockedKernels(w: Tensor, b: number, plain: boolean): Tensor {
  const [O, I, K, L] = w.shape as [number, number, number, number];
  // The engine transposes constants once, when it loads the graph, but reorders them in every run.
  if (reachable([w]).some(({ op }) => op === inputOp)) return reorderedKernels(w, b, plain);
  // Axis by axis: ONNX Runtime moves one axis at a time quickly, and any other order element by element.
  const blocks = plain
    ? transpose(reshape(w, [O / b, b, I * K * L]))
    : transpose(transpose(reshape(w, [O / b, b, I / b, b, K * L]), [0, 2, 3, 4, 1]), [0, 1, 3, 2, 4]);
  return reshape(blocks, w.shape);
}

/** The same by moving whole vectors. Measured for 192 x 192 x 3 x 3: 1.3 instead of 1.7 ms; turned kernels 1.0 instead of 3.6 ms. */
function reorderedKernels(w: Tensor, b: number, plain: boolean): Tensor {
  const [O, I, K, L] = w.shape as [number, number, number, number];
  const turned = plain ? undefined : turnedKernels(w);
  if (turned) {
    const outputs = node(blockKernelsOp, [turned.from], turned.from.shape);
    const blocks = transpose(reshape(outputs, [I / b, b, O / b, K * L, b]), [2, 0, 3, 1, 4]);
    return reshape(turned.flipped ? flip(blocks, [2]) : blocks, w.shape);
  }
  const row = [1, O, 1, I * K * L];
  const outputs = node(blockKernelsOp, [reshape(w, row)], row);
  const blocks = plain ? outputs : transpose(reshape(outputs, [O / b, I / b, b, K * L, b]), [0, 1, 3, 2, 4]);
  return reshape(blocks, w.shape);
}

/** What kernels were made from by exchanging inputs and outputs, and perhaps flipping, as for an image's gradient. */
function turnedKernels(w: Tensor): { readonly from: Tensor; readonly flipped: boolean } | undefined {
  if (w.op.name !== "Transpose" || w.attributes.perm.join() !== "1,0,2,3") return undefined;
  const from = w.inputs[0]!;
  const flipped = from.op.name === "Flip" && from.attributes.axes.join() === "2,3";
  return { from: flipped ? from.inputs[0]! : from, flipped };
}
