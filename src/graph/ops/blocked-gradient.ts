/** Gradients of convolutions' weights in the engine's own blocked layout (see blocked.ts). */
import type { Shape } from "../../core/shape.ts";
import type { Tensor } from "../tensor.ts";
import { convolve, type Geometry, reorderInput } from "./blocked.ts";
import { reshape } from "./broadcast.ts";
import { pad, transpose } from "./movement.ts";

/**
 * The weights' gradient as one convolution whose images are the channels of x and whose kernels are those of g:
 *   dw[o, c, k, l] = conv(x', g')[c, o, k, l],   x' [I, N, H, W] and g' [O, N, h, w] with batch and channels exchanged.
 * Undefined where the engine cannot: strides, groups, batches or channels that do not fill blocks.
 */
export function blockedWeightGradient(
  x: Tensor,
  g: Tensor,
  shape: Shape,
  { stride, padding, groups }: Geometry,
  b: number,
): Tensor | undefined {
  const [N, O, h, w] = g.shape as [number, number, number, number];
  if (b === 1 || groups !== 1 || stride !== 1 || N % b !== 0 || O % b !== 0) return undefined;
  const images = padBlocks(reorderInput(transpose(x, [1, 0, 2, 3])), padding, b);
  // The blocks of g, which its convolution needs too, are already kernels but for the order of whole vectors.
  const blocks = reshape(reorderInput(g), [N / b, b, O / b, h * w, b]);
  const kernels = reshape(transpose(blocks, [2, 0, 3, 1, 4]), [O, N, h, w]);
  return reshape(transpose(convolve([images, kernels], O, [h, w], 1, 0), [1, 0, 2, 3]), shape);
}

/**
 * Zeros around blocked images. Measured: the convolution's own padding takes twice the time where kernels are as large
 * as images; whole rows of blocks are padded faster than rows of single pixels.
 */
function padBlocks(x: Tensor, padding: number, b: number): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const rows = reshape(x, [(N * C) / b, H, W * b]);
  const padded = pad(pad(rows, 1, padding, padding), 2, padding * b, padding * b);
  return reshape(padded, [N, C, H + 2 * padding, W + 2 * padding]);
}
