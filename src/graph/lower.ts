import type { Target, Tensor } from "./tensor.ts";
import { rewrite } from "./traverse.ts";

/**
 * Replaces tensors by what their operators expand to for a target: composites by ONNX operators, and operators by
 * faster ones that the engine has on this machine.
 * @param roots for the body of a loop, its placeholders: what does not depend on them was lowered outside
 */
export function lower(outputs: readonly Tensor[], target: Target, roots?: readonly Tensor[]): Tensor[] {
  const expand = (tensor: Tensor) => tensor.op.expand?.(tensor, target) ?? tensor;
  return rewrite(outputs, expand, (results, placeholders) => lower(results, target, placeholders), roots);
}
