import { type HostArray, toBytes } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";
import { FOLD_LIMIT } from "./evaluate.ts";
import { constant, constantValue, inputOp, type Tensor } from "./tensor.ts";
import { rewrite } from "./traverse.ts";

/**
 * An equivalent graph in which small constants are folded and equal nodes are shared.
 * Nodes that no output needs are not reachable and so are dropped. The inputs stay the same tensors.
 * @param roots for the body of a loop, its placeholders: what does not depend on them was simplified outside
 */
export function simplify(outputs: readonly Tensor[], roots?: readonly Tensor[]): Tensor[] {
  const unique = new Map<string, Tensor>();
  const share = (tensor: Tensor) => {
    const folded = fold(tensor);
    const key = keyOf(folded);
    const canonical = (key && unique.get(key)) || folded;
    if (key) unique.set(key, canonical);
    return canonical;
  };
  return rewrite(outputs, share, simplify, roots);
}

/** The tensor as a constant if all its inputs are constants, it is small, and its operator can tell the value. */
function fold(tensor: Tensor): Tensor {
  if (!tensor.op.evaluate || sizeOf(tensor.shape) > FOLD_LIMIT) return tensor;
  const values = tensor.inputs.map(constantValue);
  if (values.some((value) => value === undefined || sizeOf(value.shape) > FOLD_LIMIT)) return tensor;
  const value = tensor.op.evaluate(tensor, values as HostArray[]);
  return value ? constant(value) : tensor;
}

/** Equal keys mean equal values; undefined for what is unique by nature. */
function keyOf(tensor: Tensor): string | undefined {
  if (tensor.op === inputOp || tensor.op.rebuild) return undefined;
  const value = constantValue(tensor);
  if (value) {
    if (value.data.length > 64) return undefined;
    return `Constant ${value.dtype} [${value.shape}] ${toBytes(value).join()}`;
  }
  const inputs = tensor.inputs.map((from) => from.id);
  return `${tensor.op.name} ${tensor.dtype} [${tensor.shape}] ${inputs} ${JSON.stringify(tensor.attributes)}`;
}
