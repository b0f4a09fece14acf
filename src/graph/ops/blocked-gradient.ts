/**
 * Gradients of convolutions' weights as convolutions in the engine's own blocked layout (see blocked.ts), with the
 * batch in the place of channels and channels in the place of columns:
 *   dw[o, c, k, l] = sum_{n, i, j} g[n, o, i, j] x[n, c, i stride + k - padding, j stride + l - padding]
 * Measured (32 images, one thread of an AVX-512 processor), ms with all reordering: 64 to 64 channels at 32 x 32, 3 x 3:
 * 25, products by taps 33, the convolution itself 26; 192 to 192 at 8 x 8: 10, taps 26, itself 14; 64 to 128 from
 * 32 x 32 with stride 2: 18, taps 33. Outputs as small as the kernel (3 x 3 pixels, with channels of x as batch) took
 * three times as long: the engine computes six neighbours of a row at a time.
 */
import type { Shape } from "../../core/shape.ts";
import { node, type Op, type Tensor } from "../tensor.ts";
import { blockedConvOp, type Geometry, reorderInput, reorderOutputOp } from "./blocked.ts";
import { reshape } from "./broadcast.ts";
import { concat, pad, transpose } from "./movement.ts";
import type { Pair } from "./per-axis.ts";

/** Bytes of g that the kernel of a convolution may hold for one group of outputs: half of a core's second-level cache. */
const CACHED_BYTES = 2 ** 19;
/** Blocks of outputs that the engine computes together. */
const GROUPED_BLOCKS = 4;

/**
 * The weights' gradient, [O, I, K, L].
 * @param b channels per block        @param shape that of the weights
 * @returns undefined where the engine cannot (groups, outputs that do not fill blocks), and where products by taps are
 *   faster: single taps (3 ms against 10), and batches that fill less than three quarters of their blocks
 */
export function blockedWeightGradient(
  x: Tensor,
  g: Tensor,
  shape: Shape,
  { stride, padding, groups }: Geometry,
  b: number,
): Tensor | undefined {
  const [O, , K, L] = shape as [number, number, number, number];
  const [N, , h, w] = g.shape as [number, number, number, number];
  const missing = Math.ceil(N / b) * b - N;
  if (b === 1 || groups !== 1 || O % b !== 0 || K * L === 1 || 3 * missing > N) return undefined;
  const [images, cotangent] = [pad(x, 0, 0, missing), pad(g, 0, 0, missing)];
  const bytes = 4 * b * b * Math.min(O / b, GROUPED_BLOCKS) * h * w;
  return stride.every((step) => step === 1) && bytes > CACHED_BYTES
    ? gradientByRows(images, cotangent, [K, L], padding, b)
    : gradientAtOnce(images, cotangent, [K, L], { stride, padding }, b);
}

/**
 * One convolution. Its images have channels n and rows of (j, c), c innermost; its kernels are g [O, N, h, w], whose
 * columns are C apart (dilation), so that the result is [1, O, K, (L, C)].
 */
function gradientAtOnce(
  x: Tensor,
  g: Tensor,
  [K, L]: Pair,
  { stride, padding }: Omit<Geometry, "groups">,
  b: number,
): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const [, O, h, w] = g.shape as [number, number, number, number];
  // What the taps read beyond the far edges; less than nothing where a stride leaves pixels unread.
  const beyond = (size: number, steps: number, taps: number, axis: 0 | 1) =>
    (steps - 1) * stride[axis] + taps - padding[axis] - size;
  const [below, right] = [beyond(H, h, K, 0), beyond(W, w, L, 1)];
  // The engine's own padding is free for rows, but slow for columns, which are C wide here.
  const read = grow(
    reshape(batchInnermost(x, [0, 2, 3, 1], b), [N / b, H, W * C * b]),
    1,
    0,
    Math.min(0, below),
  );
  const height = read.shape[1]!;
  const padded = grow(reshape(read, [(N / b) * height, W, C * b]), 1, padding[1], right);
  const images = reshape(padded, [1, N, height, (padding[1] + W + right) * C]);
  const y = convolve(images, reshape(kernelsOf(g, [2, 0, 3, 4, 1, 5], b), [O, N, h, w]), [K, L * C], {
    dilations: [stride[0], stride[1] * C],
    pads: [padding[0], 0, Math.max(0, below), 0],
  });
  return transpose(reshape(y, [O, K, L, C]), [0, 3, 1, 2]);
}

/**
 * A convolution for each row k of the weights, with channels (i, n): its kernels are columns of g, [O, (h, N), w, 1],
 * a channel's block of which stays in the cache while all C columns of the result [1, O, L, C] are computed. In
 * `gradientAtOnce` the engine reads all of g for every six of them.
 */
function gradientByRows(x: Tensor, g: Tensor, [K, L]: Pair, padding: Pair, b: number): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const [, O, h, w] = g.shape as [number, number, number, number];
  const rows = reshape(batchInnermost(x, [2, 0, 3, 1], b), [H, N * W * C]);
  const kernels = reshape(kernelsOf(g, [2, 3, 0, 4, 1, 5], b), [O, h * N, w, 1]);
  const taps = Array.from({ length: K }, (_, k) => {
    const read = reshape(grow(rows, 0, padding[0] - k, h + k - padding[0] - H), [1, h * N, W, C]);
    const y = convolve(read, kernels, [L, C], { dilations: [1, 1], pads: [padding[1], 0, padding[1], 0] });
    return reshape(y, [O, 1, L, C]);
  });
  return transpose(concat(taps, 1), [0, 3, 1, 2]);
}

/**
 * Images with the batch in blocks, innermost: the axes (N / b, C, H, W) in the given order, then b samples.
 * Channels that fill blocks stay together, so that whole blocks of b x b numbers are moved.
 */
function batchInnermost(x: Tensor, order: readonly number[], b: number): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const whole = C % b === 0;
  // Also the convolution whose weights these are reads x in blocks.
  const numbers = reshape(whole ? reorderInput(x) : x, [1, N, 1, C * H * W]);
  const unit = whole ? b * b : b;
  return transpose(reshape(reorderInput(numbers), [N / b, (C * b) / unit, H, W, unit]), [...order, 4]);
}

/** Blocks of g, which its own convolution reads too, are kernels but for the order of whole vectors of b outputs. */
function kernelsOf(g: Tensor, order: readonly number[], b: number): Tensor {
  const [N, O, h, w] = g.shape as [number, number, number, number];
  return transpose(reshape(reorderInput(g), [N / b, b, O / b, h, w, b]), order);
}

/** @param images [1, M, ...] and kernels [O, M, k, l] in blocks @param size of the result @returns plain [1, O, ...size] */
function convolve(
  images: Tensor,
  kernels: Tensor,
  size: Pair,
  geometry: { readonly dilations: readonly number[]; readonly pads: readonly number[] },
): Tensor {
  const [O, , ...kernel] = kernels.shape as [number, number, number, number];
  const attributes = { ...geometry, kernel_shape: kernel, strides: [1, 1] };
  const y = node(blockedConvOp, [images, kernels], [1, O, ...size], "float32", attributes);
  return node(reorderOutputOp, [y], y.shape);
}

/** ONNX's own Pad also takes negative sizes, which cut: one pass to move an axis along. */
const growOp: Op = {
  name: "Pad",
  lower: (t) => {
    const { axis, before, after } = t.attributes;
    const onEach = (size: number) => t.shape.map((_, k) => (k === axis ? size : 0));
    return { attributes: { mode: "constant" }, extraInputs: [[...onEach(before), ...onEach(after)]] };
  },
};

/** Zeros before and after an axis; where sizes are negative, elements are dropped. */
function grow(x: Tensor, axis: number, before: number, after: number): Tensor {
  if (before === 0 && after === 0) return x;
  const shape = x.shape.map((size, k) => (k === axis ? size + before + after : size));
  return node(growOp, [x], shape, x.dtype, { axis, before, after });
}
