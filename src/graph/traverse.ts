import { node, type Rewrite, type Tensor } from "./tensor.ts";

/** Every tensor that the outputs are made from, inputs before the tensors made from them. */
export function reachable(outputs: readonly Tensor[]): Tensor[] {
  const seen = new Set<Tensor>(outputs);
  for (const tensor of seen) for (const from of tensor.inputs) seen.add(from); // a Set visits what is added meanwhile
  return [...seen].sort((a, b) => a.id - b.id);
}

/** The tensors among `order` that are in `roots` or made from them. */
export function dependents(order: readonly Tensor[], roots: readonly Tensor[]): Set<Tensor> {
  const found = new Set<Tensor>(roots);
  for (const tensor of order) if (tensor.inputs.some((from) => found.has(from))) found.add(tensor);
  return found;
}

/** Rebuilds `outputs` with tensors replaced as the map says; what does not depend on them is kept. */
export function substitute(outputs: readonly Tensor[], replacements: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  const replaced = new Map(replacements);
  for (const tensor of reachable(outputs)) {
    if (replaced.has(tensor) || !tensor.inputs.some((from) => replaced.has(from))) continue;
    const inputs = tensor.inputs.map((from) => replaced.get(from) ?? from);
    rebuild(tensor, inputs, replaced);
  }
  return outputs.map((tensor) => replaced.get(tensor) ?? tensor);
}

/** Puts the same operator on other inputs of the same shapes, and records it (and its siblings) in `replaced`. */
export function rebuild(
  tensor: Tensor,
  inputs: readonly Tensor[],
  replaced: Map<Tensor, Tensor>,
  rewrite?: Rewrite,
): void {
  const { op, shape, dtype, attributes } = tensor;
  const rebuilt =
    op.rebuild?.(tensor, inputs, replaced, rewrite) ?? node(op, inputs, shape, dtype, attributes);
  const old = op.siblings?.(tensor) ?? [tensor];
  const fresh = op.siblings?.(rebuilt) ?? [rebuilt];
  old.forEach((sibling, k) => {
    replaced.set(sibling, fresh[k]!);
  });
}

/**
 * Rewrites a graph node by node, inputs first: each tensor is put on its rewritten inputs and then replaced by what
 * `visit` makes of it. Bodies of loops are rewritten by `again`.
 * @param visit the replacement, given the tensor on its new inputs and the one it was; not asked for loops
 * @param roots for the body of a loop, its placeholders: what does not depend on them was rewritten outside
 */
export function rewrite(
  outputs: readonly Tensor[],
  visit: (tensor: Tensor, original: Tensor) => Tensor,
  again: Rewrite,
  roots?: readonly Tensor[],
): Tensor[] {
  const replaced = new Map<Tensor, Tensor>();
  const order = reachable(outputs);
  const inside = roots && dependents(order, roots);
  for (const tensor of order) {
    if (replaced.has(tensor)) continue;
    if (inside && !inside.has(tensor)) {
      replaced.set(tensor, tensor);
      continue;
    }
    const inputs = tensor.inputs.map((from) => replaced.get(from)!);
    if (tensor.op.rebuild) {
      rebuild(tensor, inputs, replaced, again);
      continue;
    }
    if (inputs.some((from, k) => from !== tensor.inputs[k])) rebuild(tensor, inputs, replaced);
    else replaced.set(tensor, tensor);
    replaced.set(tensor, visit(replaced.get(tensor)!, tensor));
  }
  return outputs.map((tensor) => replaced.get(tensor)!);
}
