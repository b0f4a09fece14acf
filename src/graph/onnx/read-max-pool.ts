import { ShapeError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import { expand } from "../ops/broadcast.ts";
import { maximum } from "../ops/elementwise.ts";
import { concat, slice } from "../ops/movement.ts";
import { scalar, type Tensor } from "../tensor.ts";
import type { Builder } from "./read-arrays.ts";

/** Largest of each window, tap after tap; of equal ones the first in order of rows has the derivative, as in PyTorch. */
export const maxPool: Builder = (n) => {
  if (n.outputs > 1) throw n.unsupported("the indices");
  n.only("ceil_mode", 0);
  if (!["NOTSET", "VALID"].includes(n.text("auto_pad", "NOTSET"))) throw n.unsupported("auto_pad");
  const kernel = n.integers("kernel_shape") ?? [];
  const spatial = n.input(0).shape.length - 2;
  const each = (name: string, fallback: number) => n.integers(name) ?? kernel.map(() => fallback);
  const [strides, dilations] = [each("strides", 1), each("dilations", 1)];
  const pads = n.integers("pads") ?? Array.from({ length: 2 * spatial }, () => 0);
  if (kernel.length !== spatial || pads.some((size) => size < 0))
    throw new ShapeError(`MaxPool: a window of ${spatial} axes expected, got ${formatShape(kernel)}.`);
  return kernel.reduceRight((value, size, k) => {
    const axis = k + 2;
    const padded = surround(value, axis, pads[k]!, pads[k + spatial]!);
    const reach = (size - 1) * dilations[k]!;
    const count = Math.floor((padded.shape[axis]! - reach - 1) / strides[k]!) + 1;
    if (count < 1) throw new ShapeError(`MaxPool: a window within ${formatShape(padded.shape)} expected.`);
    const taps = Array.from({ length: size }, (_, tap) => {
      const start = tap * dilations[k]!;
      return slice(padded, axis, start, start + (count - 1) * strides[k]! + 1, strides[k]!);
    });
    return taps.reduce((largest, tap) => maximum(largest, tap));
  }, n.input(0));
};

/** Padding below every number. */
function surround(x: Tensor, axis: number, before: number, after: number): Tensor {
  const side = (size: number) =>
    size === 0
      ? []
      : [
          expand(
            scalar(Number.NEGATIVE_INFINITY),
            x.shape.map((length, k) => (k === axis ? size : length)),
          ),
        ];
  return concat([...side(before), x, ...side(after)], axis);
}
