import { inputOp, type Target, type Tensor } from "./tensor.ts";
import { dependents, reachable, rebuild } from "./traverse.ts";

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
  const inside = roots && dependents(order, roots);
  const full: Target = { ...target, isVariable: (tensor) => variable.has(tensor) };
  const replaced = new Map<Tensor, Tensor>();
  for (const tensor of order) {
    if (replaced.has(tensor)) continue;
    if (inside && !inside.has(tensor)) {
      replaced.set(tensor, tensor);
      continue;
    }
    const inputs = tensor.inputs.map((from) => replaced.get(from)!);
    const changed = inputs.some((from, k) => from !== tensor.inputs[k]);
    if (tensor.op.rebuild)
      rebuild(tensor, inputs, replaced, (results, placeholders) => lower(results, target, placeholders));
    else if (changed) rebuild(tensor, inputs, replaced);
    else replaced.set(tensor, tensor);
    for (const [k, from] of tensor.inputs.entries()) if (variable.has(from)) variable.add(inputs[k]!);
    const current = replaced.get(tensor)!;
    const expanded = current.op.expand?.(current, full);
    if (expanded) replaced.set(tensor, expanded);
  }
  return outputs.map((tensor) => replaced.get(tensor)!);
}
