import type { DType } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { broadcastShapes } from "../../core/shape.ts";
import { evaluateElementwise } from "../evaluate.ts";
import { constantValue, node, type Op, type Operand, type Tensor, toTensor } from "../tensor.ts";
import { sumTo } from "./broadcast.ts";

type Gradient = (g: Tensor, y: Tensor, ...inputs: Tensor[]) => readonly (Tensor | undefined)[];

/** An elementwise operator: name, value on numbers, and cotangents before broadcasting is undone. */
function elementwiseOp(name: string, f: (...values: number[]) => number, gradient?: Gradient): Op {
  return {
    name,
    elementwise: true,
    evaluate: (t, inputs) =>
      t.dtype === "float32" || t.dtype === "bool" ? evaluateElementwise(f, inputs, t.dtype) : undefined,
    ...(gradient && {
      vjp: (t: Tensor, g: Tensor) =>
        gradient(g, t, ...t.inputs).map((cotangent, i) => cotangent && sumTo(cotangent, t.inputs[i]!.shape)),
    }),
  };
}

function apply(op: Op, operands: readonly Operand[], dtype?: DType): Tensor {
  const inputs = operands.map(toTensor);
  const shape = inputs.reduce<number[]>((all, x) => broadcastShapes(all, x.shape, op.name), []);
  return node(op, inputs, shape, dtype ?? inputs.at(-1)!.dtype);
}

function sameTypes(op: Op, a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype)
    throw new ShapeError(`${op.name}: dtypes ${a.dtype} and ${b.dtype} differ. Cast one.`);
}

/** True for a constant all of whose elements equal `value`, of one element. */
function isScalar(x: Tensor, value: number): boolean {
  const array = constantValue(x);
  return array !== undefined && array.data.length === 1 && Number(array.data[0]) === value;
}

function binary(op: Op, a: Operand, b: Operand, dtype?: DType): Tensor {
  const [x, y] = [toTensor(a), toTensor(b)];
  sameTypes(op, x, y);
  return apply(op, [x, y], dtype);
}

const addOp = elementwiseOp(
  "Add",
  (a, b) => a! + b!,
  (g) => [g, g],
);
const subOp = elementwiseOp(
  "Sub",
  (a, b) => a! - b!,
  (g) => [g, neg(g)],
);
const mulOp = elementwiseOp(
  "Mul",
  (a, b) => a! * b!,
  (g, _y, a, b) => [mul(g, b!), mul(g, a!)],
);
const divOp = elementwiseOp(
  "Div",
  (a, b) => a! / b!,
  (g, y, _a, b) => [div(g, b!), neg(div(mul(g, y), b!))],
);
const maximumOp = elementwiseOp("Max", Math.max, (g, _y, a, b) => [
  where(greaterOrEqual(a!, b!), g, 0),
  where(greaterOrEqual(a!, b!), 0, g),
]);
const minimumOp = elementwiseOp("Min", Math.min, (g, _y, a, b) => [
  where(lessOrEqual(a!, b!), g, 0),
  where(lessOrEqual(a!, b!), 0, g),
]);

/** a + b, with broadcasting. */
export function add(a: Operand, b: Operand): Tensor {
  const [x, y] = [toTensor(a), toTensor(b)];
  if (isScalar(y, 0) && x.dtype === y.dtype && y.shape.length <= x.shape.length) return x;
  if (isScalar(x, 0) && x.dtype === y.dtype && x.shape.length <= y.shape.length) return y;
  return binary(addOp, x, y);
}
/** a b, with broadcasting. */
export function mul(a: Operand, b: Operand): Tensor {
  const [x, y] = [toTensor(a), toTensor(b)];
  if (isScalar(y, 1) && x.dtype === y.dtype && y.shape.length <= x.shape.length) return x;
  if (isScalar(x, 1) && x.dtype === y.dtype && x.shape.length <= y.shape.length) return y;
  return binary(mulOp, x, y);
}
/** a - b, with broadcasting. */
export const sub = (a: Operand, b: Operand): Tensor => binary(subOp, a, b);
/** a / b, with broadcasting. */
export const div = (a: Operand, b: Operand): Tensor => binary(divOp, a, b);
/** Elementwise larger; at ties the cotangent goes to `a`. */
export const maximum = (a: Operand, b: Operand): Tensor => binary(maximumOp, a, b);
/** Elementwise smaller; at ties the cotangent goes to `a`. */
export const minimum = (a: Operand, b: Operand): Tensor => binary(minimumOp, a, b);
/** Values below `lo` or above `hi` become those ends. */
export const clip = (x: Operand, lo: Operand, hi: Operand): Tensor => minimum(maximum(x, lo), hi);

const negOp = elementwiseOp(
  "Neg",
  (x) => -x!,
  (g) => [neg(g)],
);
const expOp = elementwiseOp(
  "Exp",
  (x) => Math.exp(x!),
  (g, y) => [mul(g, y)],
);
const logOp = elementwiseOp(
  "Log",
  (x) => Math.log(x!),
  (g, _y, x) => [div(g, x!)],
);
const sqrtOp = elementwiseOp(
  "Sqrt",
  (x) => Math.sqrt(x!),
  (g, y) => [div(mul(g, 0.5), y)],
);
const reciprocalOp = elementwiseOp(
  "Reciprocal",
  (x) => 1 / x!,
  (g, y) => [neg(mul(g, mul(y, y)))],
);
const absOp = elementwiseOp(
  "Abs",
  (x) => Math.abs(x!),
  (g, _y, x) => [mul(g, sign(x!))],
);
const signOp = elementwiseOp(
  "Sign",
  (x) => Math.sign(x!),
  () => [undefined],
);
const sinOp = elementwiseOp(
  "Sin",
  (x) => Math.sin(x!),
  (g, _y, x) => [mul(g, cos(x!))],
);
const cosOp = elementwiseOp(
  "Cos",
  (x) => Math.cos(x!),
  (g, _y, x) => [neg(mul(g, sin(x!)))],
);
const tanhOp = elementwiseOp(
  "Tanh",
  (x) => Math.tanh(x!),
  (g, y) => [mul(g, sub(1, mul(y, y)))],
);
const sigmoidOp = elementwiseOp(
  "Sigmoid",
  (x) => 1 / (1 + Math.exp(-x!)),
  (g, y) => [mul(g, mul(y, sub(1, y)))],
);
const floorOp = elementwiseOp(
  "Floor",
  (x) => Math.floor(x!),
  () => [undefined],
);
/** Left to the engine: JavaScript has no erf. */
const erfOp: Op = {
  name: "Erf",
  elementwise: true,
  // 2 / sqrt(pi) e^(-x^2)
  vjp: (t, g) => [mul(g, mul(exp(neg(square(t.inputs[0]!))), 2 / Math.sqrt(Math.PI)))],
};

/** -x */
export const neg = (x: Operand): Tensor => apply(negOp, [x]);
/** e^x */
export const exp = (x: Operand): Tensor => apply(expOp, [x]);
/** Natural logarithm. */
export const log = (x: Operand): Tensor => apply(logOp, [x]);
/** The square root of x. */
export const sqrt = (x: Operand): Tensor => apply(sqrtOp, [x]);
/** 1 / x */
export const reciprocal = (x: Operand): Tensor => apply(reciprocalOp, [x]);
/** |x| */
export const abs = (x: Operand): Tensor => apply(absOp, [x]);
/** -1, 0 or 1. Its gradient is 0. */
export const sign = (x: Operand): Tensor => apply(signOp, [x]);
/** The sine of x. */
export const sin = (x: Operand): Tensor => apply(sinOp, [x]);
/** The cosine of x. */
export const cos = (x: Operand): Tensor => apply(cosOp, [x]);
/** The hyperbolic tangent of x. */
export const tanh = (x: Operand): Tensor => apply(tanhOp, [x]);
/** 1 / (1 + e^-x) */
export const sigmoid = (x: Operand): Tensor => apply(sigmoidOp, [x]);
/** The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x. */
export const erf = (x: Operand): Tensor => apply(erfOp, [x]);
/** The largest whole number <= x. Its gradient is 0. */
export const floor = (x: Operand): Tensor => apply(floorOp, [x]);
/** x^2 */
export const square = (x: Tensor): Tensor => mul(x, x);

const equalOp = elementwiseOp("Equal", (a, b) => Number(a === b));
const greaterOp = elementwiseOp("Greater", (a, b) => Number(a! > b!));
const greaterOrEqualOp = elementwiseOp("GreaterOrEqual", (a, b) => Number(a! >= b!));
const lessOrEqualOp = elementwiseOp("LessOrEqual", (a, b) => Number(a! <= b!));
const notOp = elementwiseOp("Not", (a) => 1 - a!);
const andOp = elementwiseOp("And", (a, b) => a! * b!);

/** Whether a = b, as bool. */
export const equal = (a: Operand, b: Operand): Tensor => binary(equalOp, a, b, "bool");
/** Whether a > b, as bool. */
export const greater = (a: Operand, b: Operand): Tensor => binary(greaterOp, a, b, "bool");
/** Whether a >= b, as bool. */
export const greaterOrEqual = (a: Operand, b: Operand): Tensor => binary(greaterOrEqualOp, a, b, "bool");
/** Whether a <= b, as bool. */
export const lessOrEqual = (a: Operand, b: Operand): Tensor => binary(lessOrEqualOp, a, b, "bool");
/** True where `a` is false, and false where it is true. */
export const not = (a: Tensor): Tensor => apply(notOp, [a]);
/** Whether both are true. */
export const and = (a: Tensor, b: Tensor): Tensor => binary(andOp, a, b);

const whereOp: Op = elementwiseOp(
  "Where",
  (condition, a, b) => (condition ? a! : b!),
  (g, _y, condition) => [undefined, where(condition!, g, 0), where(condition!, 0, g)],
);

/** `condition ? a : b`, elementwise; the branch not taken gets cotangent 0. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [x, y] = [toTensor(a), toTensor(b)];
  sameTypes(whereOp, x, y);
  if (condition.dtype !== "bool")
    throw new ShapeError(`Where: condition must be bool, got ${condition.dtype}.`);
  return apply(whereOp, [condition, x, y]);
}

const castOp: Op = {
  name: "Cast",
  lower: (t) => ({ attributes: { to: t.dtype } }),
  vjp: (t, g) => {
    const from = t.inputs[0]!.dtype;
    return [isFloating(t.dtype) && isFloating(from) ? cast(g, from) : undefined];
  },
};

const isFloating = (dtype: DType) => dtype === "float32" || dtype === "float64";

/** Converts the elements to another dtype. It has a gradient only if both are floating point. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : node(castOp, [x], x.shape, dtype);
}
