import { ShapeError } from "../../core/errors.ts";
import {
  broadcastShapes,
  formatShape,
  normalizeAxis,
  type Shape,
  sameShape,
  sizeOf,
} from "../../core/shape.ts";
import { evaluateGather } from "../evaluate.ts";
import { node, type Op, type Tensor } from "../tensor.ts";

const reshapeOp: Op = {
  name: "Reshape",
  lower: (t) => ({ attributes: {}, extraInputs: [t.shape] }),
  vjp: (t, g) => [reshape(g, t.inputs[0]!.shape)],
  evaluate: (t, [x]) => ({ ...x!, shape: t.shape }),
};

/** The same elements in another shape; one size may be -1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const full = shape.map((size) => (size === -1 ? sizeOf(x.shape) / known : size));
  if (sizeOf(full) !== sizeOf(x.shape) || !full.every((size) => Number.isInteger(size) && size >= 0))
    throw new ShapeError(`reshape: ${formatShape(x.shape)} does not fit ${formatShape(shape)}.`);
  return sameShape(full, x.shape) ? x : node(reshapeOp, [x], full, x.dtype);
}

const expandOp: Op = {
  name: "Expand",
  lower: (t) => ({ attributes: {}, extraInputs: [t.shape] }),
  vjp: (t, g) => [sumTo(g, t.inputs[0]!.shape)],
  evaluate: (t, [x]) => {
    const offset = t.shape.length - x!.shape.length;
    return evaluateGather(x!, t.shape, (index) =>
      x!.shape.map((size, axis) => (size === 1 ? 0 : index[axis + offset]!)),
    );
  },
};

/** Repeats axes of size 1, and adds leading ones, up to `shape`. */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (!sameShape(broadcastShapes(x.shape, shape, "expand"), shape))
    throw new ShapeError(`expand: ${formatShape(x.shape)} does not broadcast to ${formatShape(shape)}.`);
  return sameShape(shape, x.shape) ? x : node(expandOp, [x], shape);
}

const reduceSumOp: Op = {
  name: "ReduceSum",
  lower: (t) => ({ attributes: { keepdims: 1 }, extraInputs: [t.attributes.axes] }),
  vjp: (t, g) => [expand(g, t.inputs[0]!.shape)],
};

/** Sizes after reducing `axes` to 1. */
export function reducedShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
}

/** All axes by default; negative ones count from the end; sorted. @throws ShapeError if one is out of range or repeated */
export function normalizeAxes(axes: readonly number[] | undefined, rank: number, where: string): number[] {
  const all = axes ?? Array.from({ length: rank }, (_, axis) => axis);
  const sorted = all.map((axis) => normalizeAxis(axis, rank, where)).sort((a, b) => a - b);
  if (sorted.some((axis, k) => axis === sorted[k - 1]))
    throw new ShapeError(`${where}: axes must differ, got ${formatShape(all)}.`);
  return sorted;
}

/** Drops reduced axes unless they are to be kept. */
export function dropAxes(x: Tensor, axes: readonly number[], keep: boolean): Tensor {
  return keep
    ? x
    : reshape(
        x,
        x.shape.filter((_, axis) => !axes.includes(axis)),
      );
}

/** Sum over axes (all by default). */
export function sum(x: Tensor, axes?: readonly number[], keep = false): Tensor {
  const over = normalizeAxes(axes, x.shape.length, "sum");
  if (over.length === 0) return x;
  const reduced = node(reduceSumOp, [x], reducedShape(x.shape, over), x.dtype, { axes: over });
  return dropAxes(reduced, over, keep);
}

/** Sums over the axes that broadcasting repeated: the adjoint of `expand`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, axis) =>
    axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : [],
  );
  return reshape(sum(x, axes, true), shape);
}
