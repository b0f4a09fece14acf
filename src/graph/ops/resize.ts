import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { expectShape } from "../../core/shape.ts";
import { node, type Op, type Tensor } from "../tensor.ts";
import { mul } from "./elementwise.ts";

const resizeOp: Op = {
  name: "Resize",
  lower: (t) => ({
    attributes: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    extraInputs: [undefined, float32([1, 1, t.attributes.scale, t.attributes.scale])],
  }),
  vjp: (t, g) => [mul(averagePool(g, t.attributes.scale), t.attributes.scale ** 2)],
};

/** Nearest-neighbour up-sampling: every pixel becomes `scale` x `scale` pixels. x is [N, C, H, W]. */
export function resizeNearest(x: Tensor, scale: number): Tensor {
  const { N, C, H, W } = expectShape(x.shape, ["N", "C", "H", "W"], "resizeNearest: x");
  expectScale(scale, "resizeNearest");
  return node(resizeOp, [x], [N, C, H * scale, W * scale], x.dtype, { scale });
}

const averagePoolOp: Op = {
  name: "AveragePool",
  lower: ({ attributes: { scale } }) => ({
    attributes: { kernel_shape: [scale, scale], strides: [scale, scale] },
  }),
  vjp: (t, g) => [mul(resizeNearest(g, t.attributes.scale), 1 / t.attributes.scale ** 2)],
};

/** Mean over blocks of `scale` x `scale` pixels. x is [N, C, H, W], H and W multiples of `scale`. */
export function averagePool(x: Tensor, scale: number): Tensor {
  const { N, C, H, W } = expectShape(x.shape, ["N", "C", "H", "W"], "averagePool: x");
  expectScale(scale, "averagePool");
  if (H % scale !== 0 || W % scale !== 0)
    throw new ShapeError(
      `averagePool: ${H} x ${W} pixels are not a multiple of ${scale}. Crop or pad first.`,
    );
  return node(averagePoolOp, [x], [N, C, H / scale, W / scale], x.dtype, { scale });
}

function expectScale(scale: number, where: string): void {
  if (!Number.isInteger(scale) || scale < 1)
    throw new ShapeError(`${where}: scale must be an integer >= 1, got ${scale}.`);
}
