import { ShapeError } from "../../core/errors.ts";
import { formatShape, normalizeAxis, sameShape, sizeOf } from "../../core/shape.ts";
import { evaluateGather } from "../evaluate.ts";
import { constantValue, node, type Op, scalar, type Tensor } from "../tensor.ts";
import { expand, normalizeAxes, reshape } from "./broadcast.ts";
import { cast } from "./elementwise.ts";

const transposeOp: Op = {
  name: "Transpose",
  vjp: (t, g) => [transpose(g, inversePermutation(t.attributes.perm))],
  evaluate: (t, [x]) => {
    const inverse = inversePermutation(t.attributes.perm);
    return evaluateGather(x!, t.shape, (index) => inverse.map((axis) => index[axis]!));
  },
};

function inversePermutation(perm: readonly number[]): number[] {
  return perm.map((_, axis) => perm.indexOf(axis));
}

/** Reorders axes: axis k of the result is axis `perm[k]` of `x`. The default reverses the last two. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  const rank = x.shape.length;
  if (!perm && rank < 2)
    throw new ShapeError(`transpose: at least 2 axes expected, got ${formatShape(x.shape)}.`);
  const order = (perm ?? [...Array(rank - 2).keys(), rank - 1, rank - 2]).map((axis) =>
    normalizeAxis(axis, rank, "transpose"),
  );
  if (order.length !== rank || new Set(order).size !== rank)
    throw new ShapeError(`transpose: ${formatShape(perm ?? order)} is not an order of ${rank} axes.`);
  if (order.every((axis, k) => axis === k)) return x;
  return node(
    transposeOp,
    [x],
    order.map((axis) => x.shape[axis]!),
    x.dtype,
    { perm: order },
  );
}

const sliceOp: Op = {
  name: "Slice",
  lower: ({ attributes: { starts, ends, steps, axes } }) => ({
    attributes: {},
    extraInputs: [starts, ends, axes, steps],
  }),
  vjp: (t, g) => [unslice(g, t)],
  evaluate: (t, [x]) => {
    const { starts, steps, axes } = t.attributes;
    return evaluateGather(x!, t.shape, (index) =>
      index.map((i, axis) => {
        const k = axes.indexOf(axis);
        return k < 0 ? i : starts[k] + i * steps[k];
      }),
    );
  },
};

/** Elements start, start + step, ... below `end` of an axis. Step > 0; a negative start or end counts from the back. */
export function slice(x: Tensor, axis: number, start: number, end: number, step = 1): Tensor {
  const along = normalizeAxis(axis, x.shape.length, "slice");
  const size = x.shape[along]!;
  const from = start < 0 ? start + size : start;
  const to = Math.min(end < 0 ? end + size : end, size);
  if (![start, end, step].every(Number.isInteger))
    throw new ShapeError(`slice: start, end and step must be integers, got ${start}:${end}:${step}.`);
  if (!(from >= 0 && from < to && step >= 1))
    throw new ShapeError(
      `slice: ${start}:${end}:${step} is empty on axis ${axis} of ${formatShape(x.shape)}.`,
    );
  if (from === 0 && to === size && step === 1) return x;
  const shape = x.shape.map((n, k) => (k === along ? Math.ceil((to - from) / step) : n));
  return node(sliceOp, [x], shape, x.dtype, { starts: [from], ends: [to], steps: [step], axes: [along] });
}

/** The adjoint of a slice: puts `g` back among zeros. */
function unslice(g: Tensor, t: Tensor): Tensor {
  const [start, step, axis] = [
    t.attributes.starts[0],
    t.attributes.steps[0],
    t.attributes.axes[0],
  ] as number[];
  const size = t.inputs[0]!.shape[axis!]!;
  let spread = g;
  if (step! > 1) {
    const split = g.shape.flatMap((n, k) => (k === axis ? [n, 1] : [n]));
    const padded = pad(reshape(g, split), axis! + 1, 0, step! - 1);
    const merged = reshape(
      padded,
      g.shape.map((n, k) => (k === axis ? n * step! : n)),
    );
    spread = slice(merged, axis!, 0, Math.min(merged.shape[axis!]!, size - start!));
  }
  return pad(spread, axis!, start!, size - start! - spread.shape[axis!]!);
}

const flipOp: Op = {
  name: "Flip",
  lower: ({ attributes: { axes } }) => ({
    type: "Slice",
    attributes: {},
    // Slice runs down to, and not including, `end`; the smallest integer stands for "past the first element".
    extraInputs: [axes.map(() => -1), axes.map(() => -(2 ** 31)), axes, axes.map(() => -1)],
  }),
  vjp: (t, g) => [flip(g, t.attributes.axes)],
  evaluate: (t, [x]) =>
    evaluateGather(x!, t.shape, (index) =>
      index.map((i, axis) => (t.attributes.axes.includes(axis) ? t.shape[axis]! - 1 - i : i)),
    ),
};

/** Reverses the order of elements along axes. */
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  return node(flipOp, [x], x.shape, x.dtype, { axes: normalizeAxes(axes, x.shape.length, "flip") });
}

const padOp: Op = {
  name: "Pad",
  // A number for every axis: the engine's WebGPU layout pass mistakes sizes of some axes (the input `axes`) for those of all.
  lower: (t) => {
    const { axes, before, after } = t.attributes as Record<"axes" | "before" | "after", number[]>;
    const onEach = (sizes: number[]) => t.shape.map((_, axis) => sizes[axes.indexOf(axis)] ?? 0);
    return { attributes: { mode: "constant" }, extraInputs: [[...onEach(before), ...onEach(after)]] };
  },
  vjp: (t, g) => {
    const { axes, before } = t.attributes as { axes: number[]; before: number[] };
    const shape = t.inputs[0]!.shape;
    return [axes.reduce((cut, axis, k) => slice(cut, axis, before[k]!, before[k]! + shape[axis]!), g)];
  },
};

/** Adds zeros before and after one axis, or each of several axes. */
export function pad(x: Tensor, axis: number | readonly number[], before: number, after: number): Tensor {
  const axes = normalizeAxes(typeof axis === "number" ? [axis] : axis, x.shape.length, "pad");
  if (!(before >= 0 && after >= 0 && Number.isInteger(before) && Number.isInteger(after)))
    throw new ShapeError(`pad: sizes must be integers >= 0, got ${before} and ${after}.`);
  if (before === 0 && after === 0) return x;
  const shape = x.shape.map((size, k) => (axes.includes(k) ? size + before + after : size));
  const sizes = (size: number) => axes.map(() => size);
  return node(padOp, [x], shape, x.dtype, { axes, before: sizes(before), after: sizes(after) });
}

const concatOp: Op = {
  name: "Concat",
  vjp: (t, g) => {
    let end = 0;
    return t.inputs.map((x) => {
      const start = end;
      end += x.shape[t.attributes.axis]!;
      return slice(g, t.attributes.axis, start, end);
    });
  },
};

/** Joins tensors along an axis. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts;
  if (!first) throw new ShapeError("concat: at least one tensor expected, got none.");
  const along = normalizeAxis(axis, first.shape.length, "concat");
  for (const part of parts)
    if (
      part.dtype !== first.dtype ||
      part.shape.length !== first.shape.length ||
      !sameShape(withoutAxis(part.shape, along), withoutAxis(first.shape, along))
    )
      throw new ShapeError(
        `concat: ${formatShape(part.shape)} ${part.dtype} does not join ${formatShape(first.shape)} ${first.dtype} on axis ${axis}.`,
      );
  if (parts.length === 1) return first;
  const total = parts.reduce((size, part) => size + part.shape[along]!, 0);
  const shape = first.shape.map((size, k) => (k === along ? total : size));
  return node(concatOp, parts, shape, first.dtype, { axis: along });
}

function withoutAxis(shape: readonly number[], axis: number): number[] {
  return shape.filter((_, k) => k !== axis);
}

/** Cuts an axis into parts of the given sizes: the inverse of `concat`. @throws ShapeError if the sizes do not add up to the axis */
export function split(x: Tensor, sizes: readonly number[], axis: number): Tensor[] {
  const size = x.shape[normalizeAxis(axis, x.shape.length, "split")]!;
  if (sizes.reduce((total, part) => total + part, 0) !== size)
    throw new ShapeError(`split: ${formatShape(sizes)} does not cut ${size} elements into parts.`);
  let end = 0;
  return sizes.map((size) => {
    end += size;
    return slice(x, axis, end - size, end);
  });
}

const gatherOp: Op = {
  name: "Gather",
  vjp: (t, g) => {
    const [x, indices] = t.inputs as [Tensor, Tensor];
    const axis: number = t.attributes.axis;
    const rank = indices.shape.length;
    // Bring the gathered axes of g to the front, add its slices into zeros, and move the axis back.
    const front = transpose(g, [
      ...Array.from({ length: rank }, (_, k) => axis + k),
      ...g.shape.flatMap((_, k) => (k < axis || k >= axis + rank ? [k] : [])),
    ]);
    const others = x.shape.flatMap((_, k) => (k === axis ? [] : [k]));
    const added = scatterAdd(front, indices, x.shape[axis]!);
    return [transpose(added, inversePermutation([axis, ...others])), undefined];
  },
};

/** Elements of `x` at integer positions along an axis. The axes of `indices` replace this axis. */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  const along = normalizeAxis(axis, x.shape.length, "gather");
  if (indices.dtype !== "int64" && indices.dtype !== "int32")
    throw new ShapeError(`gather: indices must be int32 or int64, got ${indices.dtype}.`);
  const shape = [...x.shape.slice(0, along), ...indices.shape, ...x.shape.slice(along + 1)];
  return node(gatherOp, [x, indices], shape, x.dtype, { axis: along });
}

// Inputs: base [size, width], positions [n, 1] or [n, width] with equal columns, updates [n, width].
const scatterAddOp: Op = {
  name: "ScatterAdd",
  lower: (t) =>
    t.attributes.distinct
      ? { type: "ScatterND", attributes: { reduction: "add" } }
      : { type: "ScatterElements", attributes: { reduction: "add", axis: 0 } },
  vjp: (t, g) => {
    const positions = t.inputs[1]!;
    return [g, undefined, gather(g, reshape(slice(positions, 1, 0, 1), [positions.shape[0]!]))];
  },
};

/** `size` rows of zeros, to which it adds row i of `updates` at `indices[i]`: the adjoint of `gather` on axis 0. */
export function scatterAdd(updates: Tensor, indices: Tensor, size: number): Tensor {
  const rest = updates.shape.slice(indices.shape.length);
  if (!sameShape(updates.shape.slice(0, indices.shape.length), indices.shape))
    throw new ShapeError(
      `scatterAdd: updates must begin with the axes of the indices, ${formatShape(indices.shape)}, got ${formatShape(updates.shape)}.`,
    );
  const [n, width] = [sizeOf(indices.shape), sizeOf(rest)];
  // Measured (onnxruntime 1.30, 4 threads): ScatterND runs its updates in parallel, and where an index repeats it
  // lost 39 % of them. ScatterElements runs in order, but needs an index per element.
  const distinct = areDistinct(indices);
  const column = reshape(cast(indices, "int64"), [n, 1]);
  const positions = distinct ? column : expand(column, [n, width]);
  const base = expand(scalar(0), [size, width]);
  const inputs = [base, positions, reshape(updates, [n, width])];
  return reshape(node(scatterAddOp, inputs, base.shape, updates.dtype, { distinct }), [size, ...rest]);
}

/** True if all indices are known to differ: there is one, or they are constants. */
function areDistinct(indices: Tensor): boolean {
  const value = constantValue(indices);
  const count = sizeOf(indices.shape);
  if (!value) return count === 1;
  return value.data.every((index) => index >= 0) && new Set<unknown>(value.data).size === count;
}
