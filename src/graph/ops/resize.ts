import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { expectShape } from "../../core/shape.ts";
import { node, type Op, type Tensor } from "../tensor.ts";
import { mul } from "./elementwise.ts";
import { type Pair, type PerAxis, perAxis } from "./per-axis.ts";

const resizeOp: Op = {
  name: "Resize",
  lower: (t) => ({
    attributes: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    extraInputs: [undefined, float32([1, 1, ...(t.attributes.scale as Pair)])],
  }),
  vjp: (t, g) => [mul(averagePool(g, t.attributes.scale), area(t))],
};

const area = (t: Tensor) => t.attributes.scale[0] * t.attributes.scale[1];

/** Nearest-neighbour up-sampling: every pixel becomes `scale` x `scale` pixels. x is [N, C, H, W]. */
export function resizeNearest(x: Tensor, scale: PerAxis): Tensor {
  const { N, C, H, W } = expectShape(x.shape, ["N", "C", "H", "W"], "resizeNearest: x");
  const [s, t] = expectScale(scale, "resizeNearest");
  return node(resizeOp, [x], [N, C, H * s, W * t], x.dtype, { scale: [s, t] });
}

const averagePoolOp: Op = {
  name: "AveragePool",
  lower: ({ attributes: { scale } }) => ({
    attributes: { kernel_shape: scale, strides: scale },
  }),
  vjp: (t, g) => [mul(resizeNearest(g, t.attributes.scale), 1 / area(t))],
};

/** Mean over blocks of `scale` x `scale` pixels. x is [N, C, H, W], its sides multiples of their `scale`. */
export function averagePool(x: Tensor, scale: PerAxis): Tensor {
  const { N, C, H, W } = expectShape(x.shape, ["N", "C", "H", "W"], "averagePool: x");
  const [s, t] = expectScale(scale, "averagePool");
  if (H % s !== 0 || W % t !== 0)
    throw new ShapeError(
      `averagePool: ${H} x ${W} pixels are not a multiple of ${scale}. Crop or pad first.`,
    );
  return node(averagePoolOp, [x], [N, C, H / s, W / t], x.dtype, { scale: [s, t] });
}

function expectScale(scale: PerAxis, where: string): Pair {
  const pair = perAxis(scale);
  if (!pair.every((size) => Number.isInteger(size) && size >= 1))
    throw new ShapeError(`${where}: scale must be an integer >= 1, got ${scale}.`);
  return pair;
}
