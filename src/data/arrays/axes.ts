/** The order of an array's axes in memory. */

import { type DataOf, type DType, type HostArray, zeros } from "../../core/array.ts";
import { type Shape, stridesOf } from "../../core/shape.ts";

/** The array with its axes in another order, as numpy.transpose(array, order). */
export function transposed<T extends DType>(array: HostArray<T>, order: readonly number[]): HostArray<T> {
  if (order.every((axis, k) => axis === k)) return array;
  const strides = stridesOf(array.shape);
  const shape = order.map((axis) => array.shape[axis]!);
  const steps = order.map((axis) => strides[axis]!);
  const out = zeros(array.dtype, shape);
  const [from, to] = [array.data as Float64Array, out.data as Float64Array]; // of one dtype, whichever
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0, at = 0; flat < to.length; flat++) {
    to[flat] = from[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += steps[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= steps[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** Axes 0 ... rank - 1 with one of them moved to another place. */
export function movedAxis(rank: number, from: number, to: number): number[] {
  const others = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== from);
  return others.toSpliced(to, 0, from);
}

/** Numbers that a shape needs in Fortran order, in C order. @param inner axes behind the shape that stay innermost */
export function inRowOrder<T extends DType>(
  { dtype, data }: { readonly dtype: T; readonly data: DataOf[T] },
  shape: Shape,
  inner: Shape,
): HostArray<T> {
  const array = { dtype, shape: [...shape.toReversed(), ...inner], data };
  return transposed(array, [
    ...shape.map((_, axis) => shape.length - 1 - axis),
    ...inner.map((_, axis) => shape.length + axis),
  ]);
}
