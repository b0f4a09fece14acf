import { keepBlocked } from "./layout.ts";
import { lower } from "./lower.ts";
import { simplify } from "./simplify.ts";
import type { Target, Tensor } from "./tensor.ts";

/** The graph as it is handed to the engine: operators that the target has, in its layout, each value computed once. */
export function prepare(outputs: readonly Tensor[], target: Target): Tensor[] {
  const lowered = simplify(lower(simplify(outputs), target));
  return simplify(lower(keepBlocked(lowered, target.blockSize), target));
}
