import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "./tensor.ts";
import { reachable } from "./traverse.ts";

/** Multiplications and additions of a convolution or matrix product, two for each pair; of other operators none. */
export function flopsOf({ op, shape, inputs, attributes }: Tensor): number {
  if (op.name === "Conv") return 2 * sizeOf(shape) * sizeOf(inputs[1]!.shape.slice(1));
  if (op.name === "MatMul") return 2 * sizeOf(shape) * inputs[0]!.shape.at(attributes.transA ? -2 : -1)!;
  return 0;
}

/** Those of everything that the outputs are made from. */
export function totalFlops(outputs: readonly Tensor[]): number {
  return reachable(outputs).reduce((sum, tensor) => sum + flopsOf(tensor), 0);
}
