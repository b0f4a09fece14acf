import { float32 } from "../../core/array.ts";
import {
  abs,
  cast,
  constant,
  equal,
  flip,
  greater,
  matmul,
  reshape,
  sub,
  type Tensor,
  where,
} from "../../graph/index.ts";

/**
 * Exchanges left and right of some images.
 * @param x images, [B, C, H, W]
 * @param chosen above 0 for those to flip, [B, 1, 1, 1]
 */
export function flipImages(x: Tensor, chosen: Tensor): Tensor {
  return where(greater(chosen, 0), flip(x, [3]), x);
}

/**
 * Moves images by whole pixels; what enters is the reflection at the border, without repeating it. That is padding by
 * reflection and cropping back. Each axis is one product with a matrix of zeros and ones, [B, n, n], so values stay
 * exactly what they were.
 * @param x images, [B, C, H, W]
 * @param dy, dx pixels down and right, less than the side, [B, 1, 1, 1]
 */
export function shiftImages(x: Tensor, dy: Tensor, dx: Tensor): Tensor {
  const [B, C, H, W] = x.shape as [number, number, number, number];
  const rows = reshape(x, [B, C * H, W]);
  const across = reshape(matmul(rows, shiftMatrix(dx, W), { transB: true }), x.shape);
  return matmul(reshape(shiftMatrix(dy, H), [B, 1, H, H]), across);
}

/** S[b, i, j] = 1 where pixel i of the shifted line b is pixel j of the line itself, else 0. @returns [B, n, n] */
function shiftMatrix(shift: Tensor, n: number): Tensor {
  const pixels = float32(Float32Array.from({ length: n }, (_, i) => i));
  const to = constant({ ...pixels, shape: [1, n, 1] });
  const from = constant({ ...pixels, shape: [1, 1, n] });
  // Index -1 reads 1, index n reads n - 2.
  const left = abs(sub(to, reshape(shift, [-1, 1, 1])));
  const source = sub(n - 1, abs(sub(n - 1, left)));
  return cast(equal(source, from), "float32");
}
