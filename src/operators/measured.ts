import { float32 } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";
import {
  concat,
  constant,
  expand,
  gather,
  integers,
  mul,
  reshape,
  scalar,
  sum,
  type Tensor,
} from "../graph/index.ts";
import type { OperatorFamily } from "./operator.ts";

/**
 * Number of entries of y that carry a measurement, those that no mask hides, for each sample.
 * @param data [B, ...shape] by name
 * @param B samples
 * @returns [B]
 */
export function measuredEntries(
  family: OperatorFamily,
  data: Readonly<Record<string, Tensor>>,
  B: number,
): Tensor {
  const total = sizeOf(family.observationShape);
  const hiding = Object.entries(family.masks).filter(([, covers]) => covers.some((entry) => entry >= 0));
  if (hiding.length === 0) return expand(scalar(total), [B]);
  const { groups, sizes } = coveredAlike(
    hiding.map(([, covers]) => covers),
    total,
  );
  const seen = hiding.map(([name], k) => {
    const width = sizeOf(family.data[name]!);
    // A one at the end, for entries that this mask does not cover.
    const flat = concat([reshape(data[name]!, [B, width]), expand(scalar(1), [B, 1])], 1);
    return gather(flat, integers(groups.map((entries) => (entries[k]! < 0 ? width : entries[k]!))), 1);
  });
  return sum(mul(seen.reduce(mul), constant(float32(sizes))), [1]);
}

/** Groups entries of y by the mask entries that cover them: a mask of W columns needs W terms, not H W. */
function coveredAlike(covers: readonly Int32Array[], total: number) {
  const groups = new Map<string, { entries: number[]; size: number }>();
  for (let i = 0; i < total; i++) {
    const entries = covers.map((cover) => cover[i]!);
    const key = entries.join();
    const group = groups.get(key);
    if (group) group.size++;
    else groups.set(key, { entries, size: 1 });
  }
  const all = [...groups.values()];
  return { groups: all.map(({ entries }) => entries), sizes: all.map(({ size }) => size) };
}
