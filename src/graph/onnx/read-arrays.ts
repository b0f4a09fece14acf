/** ONNX operators that compute element by element, or move and reduce elements. */

import { hostArray } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { formatShape, normalizeAxis, sizeOf } from "../../core/shape.ts";
import { expand, normalizeAxes, reshape, sum } from "../ops/broadcast.ts";
import * as ops from "../ops/elementwise.ts";
import { concat, flip, gather, slice, split, transpose } from "../ops/movement.ts";
import { max, mean, softmax } from "../ops/reduce.ts";
import { constant, integers, scalar, type Tensor } from "../tensor.ts";
import { dtypeOf } from "./model.ts";
import type { NodeReader } from "./node-reader.ts";

/** Adds what a node computes to the graph: its result, or its results in order. */
export type Builder = (n: NodeReader) => Tensor | readonly Tensor[];

const unary =
  (f: (x: Tensor) => Tensor): Builder =>
  (n) =>
    f(n.input(0));
const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): Builder =>
  (n) =>
    f(n.input(0), n.input(1));
const variadic =
  (f: (a: Tensor, b: Tensor) => Tensor): Builder =>
  (n) =>
    n.inputs.map((_, k) => n.input(k)).reduce(f);

/** x^p for the few p that the graph has. */
const power: Builder = (n) => {
  const [p, ...more] = n.constants(1);
  const x = n.input(0);
  if (more.length > 0 || p === undefined || n.input(1).shape.length > x.shape.length)
    throw n.unsupported("an exponent for each element");
  if (p === 0.5) return ops.sqrt(x);
  if (p === -1) return ops.reciprocal(x);
  if (p === -0.5) return ops.reciprocal(ops.sqrt(x));
  if (!Number.isInteger(p) || p < 1 || p > 8) throw n.unsupported(`the exponent ${p}`);
  let result = x;
  for (let k = 1; k < p; k++) result = ops.mul(result, x);
  return result;
};

const clip: Builder = (n) => {
  const above = n.has(1) ? ops.maximum(n.input(0), n.input(1)) : n.input(0);
  return n.has(2) ? ops.minimum(above, n.input(2)) : above;
};

const reshapeNode: Builder = (n) => {
  const x = n.input(0);
  const copies = n.integer("allowzero", 0) === 0;
  const shape = n.constants(1).map((size, k) => (size === 0 && copies ? (x.shape[k] ?? 0) : size));
  if (shape.filter((size) => size === -1).length > 1)
    throw new ShapeError(`Reshape: at most one -1 expected, got ${formatShape(shape)}.`);
  return reshape(x, shape);
};

const flatten: Builder = (n) => {
  const x = n.input(0);
  const axis = n.integer("axis", 1);
  const at = axis === x.shape.length ? axis : normalizeAxis(axis, x.shape.length, "Flatten");
  return reshape(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]);
};

const squeeze: Builder = (n) => {
  const x = n.input(0);
  const given = n.list(1, "axes");
  const axes = given
    ? normalizeAxes(given, x.shape.length, "Squeeze")
    : x.shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  return reshape(
    x,
    x.shape.filter((_, axis) => !axes.includes(axis)),
  );
};

const unsqueeze: Builder = (n) => {
  const x = n.input(0);
  const given = n.list(1, "axes") ?? [];
  const axes = normalizeAxes(given, x.shape.length + given.length, "Unsqueeze");
  const shape = [...x.shape];
  for (const axis of axes) shape.splice(axis, 0, 1);
  return reshape(x, shape);
};

/** Ends beyond the array mean the array's own, on both sides. Only of a shape nothing may be left: exporters cut it at its end. */
const sliceNode: Builder = (n) => {
  const x = n.input(0);
  const [starts, ends] = [n.constants(1), n.constants(2)];
  const axes = n.has(3) ? n.constants(3) : starts.map((_, k) => k);
  const steps = n.has(4) ? n.constants(4) : starts.map(() => 1);
  return starts.reduce((value, start, k) => {
    const axis = normalizeAxis(axes[k] ?? k, value.shape.length, "Slice");
    const size = value.shape[axis]!;
    const step = steps[k] ?? 1;
    const end = ends[k] ?? size;
    const within = (at: number, low: number, high: number) =>
      Math.min(Math.max(at < 0 ? at + size : at, low), high);
    if (step > 0) {
      const [from, to] = [within(start, 0, size), within(end, 0, size)];
      const isEmptyShape = from >= to && value.dtype === "int64" && value.shape.length === 1;
      return isEmptyShape ? integers([]) : slice(value, axis, from, to, step);
    }
    // Backwards from `from` down to, and not including, `to`: the same forwards, turned.
    const [from, to] = [within(start, 0, size - 1), within(end, -1, size - 1)];
    const turned = flip(value, [axis]);
    return slice(turned, axis, size - 1 - from, size - 1 - to, -step);
  }, x);
};

const splitNode: Builder = (n) => {
  const x = n.input(0);
  const axis = normalizeAxis(n.integer("axis", 0), x.shape.length, "Split");
  const size = x.shape[axis]!;
  const equal = Math.ceil(size / n.outputs);
  const sizes =
    n.list(1, "split") ?? Array.from({ length: n.outputs }, (_, k) => Math.min(equal, size - k * equal));
  if (sizes.length !== n.outputs)
    throw new ShapeError(`Split: ${formatShape(sizes)} does not cut ${size} into ${n.outputs} parts.`);
  return split(x, sizes, axis);
};

/** The remainder with the divisor's sign, or (fmod) the dividend's; its derivatives are those of a - b times a whole number. */
const mod: Builder = (n) => {
  const [a, b] = [n.input(0), n.input(1)];
  const isFmod = n.integer("fmod", 0) === 1;
  if (a.dtype === "float32" && !isFmod) throw n.unsupported("a float remainder without fmod");
  const [x, y] = [ops.cast(a, "float32"), ops.cast(b, "float32")];
  const ratio = ops.div(x, y);
  const times = isFmod ? ops.mul(ops.sign(ratio), ops.floor(ops.abs(ratio))) : ops.floor(ratio);
  return ops.cast(ops.sub(x, ops.mul(y, times)), a.dtype);
};

type Reduction = (x: Tensor, axes: readonly number[] | undefined, keep: boolean) => Tensor;
const reduction =
  (f: Reduction): Builder =>
  (n) => {
    const axes = n.list(1, "axes") ?? [];
    if (axes.length === 0 && n.integer("noop_with_empty_axes", 0) === 1) return n.input(0);
    return f(n.input(0), axes.length > 0 ? axes : undefined, n.integer("keepdims", 1) === 1);
  };

const constantNode: Builder = (n) => {
  const value = n.tensor("value");
  if (value) return constant(value);
  const list = n.integers("value_ints");
  if (list) return integers(list);
  const whole = n.integer("value_int", Number.NaN);
  if (!Number.isNaN(whole)) return integers([whole], []);
  const number = n.float("value_float", Number.NaN);
  if (!Number.isNaN(number)) return scalar(number);
  throw n.unsupported("a constant that is no tensor or number");
};

const constantOfShape: Builder = (n) => {
  const value = n.tensor("value") ?? hostArray("float32", [1], new Float32Array(1));
  return expand(reshape(constant(value), []), positive(n.constants(0)));
};

const expandNode: Builder = (n) => {
  const x = n.input(0);
  const target = positive(n.constants(1));
  const rank = Math.max(target.length, x.shape.length);
  const shape = Array.from({ length: rank }, (_, k) => {
    const size = target[k - rank + target.length] ?? 1;
    return size === 1 ? (x.shape[k - rank + x.shape.length] ?? 1) : size;
  });
  return expand(x, shape);
};

/** @throws ShapeError unless all sizes are positive */
function positive(shape: readonly number[]): readonly number[] {
  if (!shape.every((size) => Number.isSafeInteger(size) && size > 0))
    throw new ShapeError(`a shape of positive sizes expected, got ${formatShape(shape)}.`);
  return shape;
}

const castNode: Builder = (n) => {
  const x = n.input(0);
  const to = dtypeOf(n.integer("to", 0), n.type);
  return ops.cast(x, to);
};

/** Builders by the type of the node. */
export const ARRAY_BUILDERS: Readonly<Record<string, Builder>> = {
  Add: binary(ops.add),
  Sub: binary(ops.sub),
  Mul: binary(ops.mul),
  Div: binary(ops.div),
  Max: variadic(ops.maximum),
  Min: variadic(ops.minimum),
  Sum: variadic(ops.add),
  Mod: mod,
  Pow: power,
  Neg: unary(ops.neg),
  Exp: unary(ops.exp),
  Log: unary(ops.log),
  Sqrt: unary(ops.sqrt),
  Reciprocal: unary(ops.reciprocal),
  Abs: unary(ops.abs),
  Sign: unary(ops.sign),
  Sin: unary(ops.sin),
  Cos: unary(ops.cos),
  Tanh: unary(ops.tanh),
  Sigmoid: unary(ops.sigmoid),
  Floor: unary(ops.floor),
  Clip: clip,
  Equal: binary(ops.equal),
  Greater: binary(ops.greater),
  GreaterOrEqual: binary(ops.greaterOrEqual),
  Less: binary((a, b) => ops.greater(b, a)),
  LessOrEqual: binary(ops.lessOrEqual),
  Not: unary(ops.not),
  And: binary(ops.and),
  Where: (n) => ops.where(n.input(0), n.input(1), n.input(2)),
  Cast: castNode,
  Identity: unary((x) => x),
  Dropout: unary((x) => x),
  Constant: constantNode,
  ConstantOfShape: constantOfShape,
  Shape: (n) => {
    const { shape } = n.input(0);
    return integers(shape.slice(n.integer("start", 0), n.integer("end", shape.length)));
  },
  Reshape: reshapeNode,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Expand: expandNode,
  Transpose: (n) => {
    const x = n.input(0);
    return transpose(x, n.integers("perm") ?? x.shape.map((_, k) => x.shape.length - 1 - k));
  },
  Slice: sliceNode,
  Split: splitNode,
  Concat: (n) =>
    concat(
      n.inputs.map((_, k) => n.input(k)),
      n.integer("axis", 0),
    ),
  Gather: (n) => gather(n.input(0), n.input(1), n.integer("axis", 0)),
  ReduceSum: reduction(sum),
  ReduceMean: reduction(mean),
  ReduceMax: reduction(max),
  Softmax: (n) => softmax(n.input(0), n.integer("axis", -1)),
};
