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
 * Number of entries of y that no mask hides, for each sample.
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
  const hiding = hidingMasks(family);
  if (hiding.length === 0) return expand(scalar(total), [B]);
  const { groups, sizes } = coveredAlike(
    hiding.map(([, covers]) => covers),
    total,
  );
  const seen = gatherMasks(
    family,
    data,
    hiding.map(([name], k) => [name, groups.map((entries) => entries[k]!)]),
    B,
  );
  return sum(mul(seen, constant(float32(sizes))), [1]);
}

/**
 * 1 for each entry of y that is measured, and 0 for one that a mask hides.
 * @param data [B, ...shape] by name
 * @returns [B, size of y]; undefined for operators whose masks hide nothing
 */
export function seenEntries(
  family: OperatorFamily,
  data: Readonly<Record<string, Tensor>>,
  B: number,
): Tensor | undefined {
  const hiding = hidingMasks(family);
  return hiding.length === 0 ? undefined : gatherMasks(family, data, hiding, B);
}

/** Masks that hide entries of y, and the mask's entry for each of them. */
function hidingMasks({ masks }: OperatorFamily): [name: string, covers: Int32Array][] {
  return Object.entries(masks).filter(([, covers]) => covers.some((entry) => entry >= 0));
}

/** The product of masks at some of their entries, [B, entries]; -1 stands for an entry that a mask does not cover. */
function gatherMasks(
  family: OperatorFamily,
  data: Readonly<Record<string, Tensor>>,
  masks: readonly (readonly [name: string, entries: ArrayLike<number>])[],
  B: number,
): Tensor {
  const seen = masks.map(([name, entries]) => {
    const width = sizeOf(family.data[name]!);
    const positions = integers(Array.from(entries, (entry) => (entry < 0 ? width : entry)));
    return gather(concat([reshape(data[name]!, [B, width]), expand(scalar(1), [B, 1])], 1), positions, 1);
  });
  return seen.reduce(mul);
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
