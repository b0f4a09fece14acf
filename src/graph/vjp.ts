import { ShapeError, UnsupportedOpError } from "../core/errors.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { expand } from "./ops/broadcast.ts";
import { add } from "./ops/elementwise.ts";
import { scalar, type Tensor } from "./tensor.ts";
import { dependents, reachable } from "./traverse.ts";

/**
 * Vector-Jacobian products: for outputs y_k(x) and cotangents v_k, the tensors sum_k (dy_k / dx_i)' v_k.
 * It adds nodes and runs nothing. The nodes share the values that the outputs already compute.
 * @param outputs tensors to differentiate
 * @param inputs any tensors of the graph, to differentiate with respect to. If one is made from another, it counts as
 *   independent of it: the derivatives are partial.
 * @param cotangents one per output, of the same shape
 * @returns one tensor per input, of the input's shape; zeros where no output depends on it
 * @throws UnsupportedOpError if the path crosses an operator without a gradient
 */
export function vjp(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  cotangents: readonly Tensor[],
): Tensor[] {
  const gradients = new Map<Tensor, Tensor>();
  const accumulate = (tensor: Tensor, cotangent: Tensor) => {
    const sofar = gradients.get(tensor);
    gradients.set(tensor, sofar ? add(sofar, cotangent) : cotangent);
  };
  outputs.forEach((output, k) => {
    const cotangent = cotangents[k];
    if (!cotangent || !sameShape(cotangent.shape, output.shape))
      throw new ShapeError(
        `vjp: cotangent ${k} must be ${formatShape(output.shape)}, got ${cotangent ? formatShape(cotangent.shape) : "none"}.`,
      );
    accumulate(output, cotangent);
  });

  const order = reachable(outputs);
  const onPath = dependents(order, inputs);
  const stops = new Set(inputs);
  const done = new Set<Tensor>();
  for (const tensor of order.toReversed()) {
    if (!onPath.has(tensor) || done.has(tensor) || stops.has(tensor) || !gradients.has(tensor)) continue;
    const siblings = tensor.op.siblings?.(tensor) ?? [tensor];
    for (const sibling of siblings) done.add(sibling);
    const found = inputCotangents(tensor, siblings, gradients, stops, onPath);
    tensor.inputs.forEach((from, i) => {
      const cotangent = found[i];
      if (cotangent && onPath.has(from)) accumulate(from, cotangent);
    });
  }
  return inputs.map((tensor) => gradients.get(tensor) ?? expand(scalar(0), tensor.shape));
}

function inputCotangents(
  tensor: Tensor,
  siblings: readonly Tensor[],
  gradients: ReadonlyMap<Tensor, Tensor>,
  stops: ReadonlySet<Tensor>,
  onPath: ReadonlySet<Tensor>,
): readonly (Tensor | undefined)[] {
  if (tensor.op.vjpOfOutputs) {
    return tensor.op.vjpOfOutputs(
      siblings,
      siblings.map((sibling) => (stops.has(sibling) ? undefined : gradients.get(sibling))),
      (from) => onPath.has(from),
    );
  }
  if (!tensor.op.vjp)
    throw new UnsupportedOpError(
      `vjp: the operator ${tensor.op.name} has no gradient. Differentiate around it, or treat its result as constant.`,
    );
  return tensor.op.vjp(tensor, gradients.get(tensor)!);
}
