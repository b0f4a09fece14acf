/** Integers that a model computes from shapes, known when the graph is built. */

import type { HostArray } from "../../core/array.ts";
import { sizeOf, stridesOf } from "../../core/shape.ts";
import { evaluateElementwise, FOLD_LIMIT } from "../evaluate.ts";
import { constant, constantValue, type Tensor } from "../tensor.ts";
import { fromNumbers } from "./model.ts";

/**
 * The tensor as a constant if it is small, whole-numbered or bool, and made from constants alone. Exporters compute the
 * arguments of Reshape, Slice and the like from shapes; as sizes are known here, those arguments are too.
 */
export function foldIntegers(tensor: Tensor): Tensor {
  if (tensor.dtype === "float32" || tensor.dtype === "float64") return tensor;
  const value = knownValue(tensor, DEPTH);
  return value ? constant(value) : tensor;
}

/** Nodes of the graph that one node of a model becomes, one on top of the other; what is below was folded before. */
const DEPTH = 6;

function knownValue(tensor: Tensor, depth: number): HostArray | undefined {
  const known = constantValue(tensor);
  if (known) return known;
  if (depth === 0 || tensor.inputs.length === 0 || sizeOf(tensor.shape) > FOLD_LIMIT) return undefined;
  const inputs: HostArray[] = [];
  for (const from of tensor.inputs) {
    const value = sizeOf(from.shape) > FOLD_LIMIT ? undefined : knownValue(from, depth - 1);
    if (!value) return undefined;
    inputs.push(value);
  }
  const rule = Object.hasOwn(RULES, tensor.op.name) ? RULES[tensor.op.name] : undefined;
  return tensor.op.evaluate?.(tensor, inputs) ?? rule?.(tensor, inputs);
}

type Rule = (tensor: Tensor, inputs: readonly HostArray[]) => HostArray | undefined;

/** A rule elementwise in numbers, exact below 2^53. */
function elementwise(f: (...values: number[]) => number): Rule {
  return (tensor, inputs) => {
    const numbers = inputs.map((x) =>
      fromNumbers("float64", x.shape, Array.from(x.data as Float64Array, Number)),
    );
    const value = evaluateElementwise(f, numbers, "float64");
    return value && fromNumbers(tensor.dtype, tensor.shape, Array.from(value.data as Float64Array));
  };
}

/** For what operators do not tell themselves: values of whole numbers, and how elements of any kind are moved. */
const RULES: Readonly<Record<string, Rule>> = {
  Add: elementwise((a, b) => a! + b!),
  Sub: elementwise((a, b) => a! - b!),
  Mul: elementwise((a, b) => a! * b!),
  Div: elementwise((a, b) => (b === 0 ? 0 : Math.trunc(a! / b!))),
  Max: elementwise(Math.max),
  Min: elementwise(Math.min),
  Neg: elementwise((a) => -a!),
  Equal: elementwise((a, b) => Number(a === b)),
  Greater: elementwise((a, b) => Number(a! > b!)),
  GreaterOrEqual: elementwise((a, b) => Number(a! >= b!)),
  LessOrEqual: elementwise((a, b) => Number(a! <= b!)),
  Where: elementwise((condition, a, b) => (condition ? a! : b!)),
  Cast: (tensor, inputs) =>
    elementwise((a) => (tensor.dtype === "bool" ? Number(a !== 0) : a!))(tensor, inputs),
  Concat: (tensor, inputs) => {
    const axis = tensor.attributes.axis as number;
    const outer = sizeOf(tensor.shape.slice(0, axis));
    const values: number[] = [];
    for (let i = 0; i < outer; i++)
      for (const { data } of inputs) {
        const width = data.length / outer;
        for (let j = 0; j < width; j++) values.push(Number(data[i * width + j]));
      }
    return fromNumbers(tensor.dtype, tensor.shape, values);
  },
  Gather: (tensor, [x, indices]) => {
    const axis = tensor.attributes.axis as number;
    const size = x!.shape[axis]!;
    const inner = stridesOf(x!.shape)[axis]!;
    const positions = Array.from(indices!.data as Float64Array, (index) => {
      const at = Number(index);
      return at < 0 ? at + size : at;
    });
    if (positions.some((at) => at < 0 || at >= size)) return undefined; // the engine refuses it
    const values: number[] = [];
    for (let i = 0; i < x!.data.length / (size * inner); i++)
      for (const at of positions)
        for (let j = 0; j < inner; j++) values.push(Number(x!.data[(i * size + at) * inner + j]));
    return fromNumbers(tensor.dtype, tensor.shape, values);
  },
};
