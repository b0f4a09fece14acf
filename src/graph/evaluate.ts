import { type HostArray, zeros } from "../core/array.ts";
import { broadcastShapes, type Shape, sizeOf, stridesOf } from "../core/shape.ts";

/** Constant folding stops above this many elements: the engine folds large weights itself, faster. */
export const FOLD_LIMIT = 4096;

/** An array whose element at `index` is that of `x` at `source(index)`. */
export function evaluateGather(
  x: HostArray,
  shape: Shape,
  source: (index: readonly number[]) => readonly number[],
): HostArray {
  const out = zeros(x.dtype, shape);
  const from = stridesOf(x.shape);
  const strides = stridesOf(shape);
  for (let flat = 0; flat < out.data.length; flat++) {
    const index = strides.map((stride, axis) => Math.floor(flat / stride) % shape[axis]!);
    const position = source(index).reduce((offset, i, axis) => offset + i * from[axis]!, 0);
    out.data[flat] = x.data[position]!;
  }
  return out;
}

/** Applies a scalar function to arrays under broadcasting; int64 is left to the engine. */
export function evaluateElementwise(
  f: (...values: number[]) => number,
  inputs: readonly HostArray[],
  dtype: "float32" | "float64" | "bool" | "int32",
): HostArray | undefined {
  if (inputs.some((x) => x.dtype === "int64")) return undefined;
  const shape = inputs.reduce<number[]>((all, x) => broadcastShapes(all, x.shape, "evaluate"), []);
  const out = zeros(dtype, shape);
  const offsets = inputs.map((x) => broadcastOffsets(x.shape, shape));
  for (let i = 0; i < out.data.length; i++)
    out.data[i] = f(...inputs.map((x, k) => Number(x.data[offsets[k]!(i)])));
  return out;
}

function broadcastOffsets(from: Shape, to: Shape): (flat: number) => number {
  if (sizeOf(from) === sizeOf(to)) return (flat) => flat;
  const own = stridesOf(from);
  const strides = stridesOf(to);
  const lead = to.length - from.length;
  return (flat) =>
    from.reduce((offset, size, axis) => {
      const index = Math.floor(flat / strides[axis + lead]!) % to[axis + lead]!;
      return offset + (size === 1 ? 0 : index * own[axis]!);
    }, 0);
}
