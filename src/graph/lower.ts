import { inputOp, type Target, type Tensor } from "./tensor.ts";
import { dependents, reachable, rewrite } from "./traverse.ts";

/**
 * Replaces tensors by what their operators expand to for a target: composites by ONNX operators, and operators by
 * faster ones that the engine has on this machine.
 * @param roots for the body of a loop, its placeholders: what does not depend on them was lowered outside
 */
export function lower(
  outputs: readonly Tensor[],
  target: Omit<Target, "isVariable">,
  roots?: readonly Tensor[],
): Tensor[] {
  const order = reachable(outputs);
  const variable = dependents(
    order,
    order.filter((tensor) => tensor.op === inputOp),
  );
  const full: Target = { ...target, isVariable: (tensor) => variable.has(tensor) };
  const expand = (tensor: Tensor, original: Tensor) => {
    for (const [k, from] of original.inputs.entries())
      if (variable.has(from)) variable.add(tensor.inputs[k]!);
    return tensor.op.expand?.(tensor, full) ?? tensor;
  };
  return rewrite(outputs, expand, (results, placeholders) => lower(results, target, placeholders), roots);
}
