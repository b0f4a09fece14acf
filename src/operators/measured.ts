import { float32 } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";
import {
  add,
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
 * @returns [B]
 */
export function measuredEntries(
  { masks, data: shapes, observationShape }: OperatorFamily,
  data: Readonly<Record<string, Tensor>>,
  B: number,
): Tensor {
  const hiding = Object.entries(masks).filter(([, covers]) => covers.some((index) => index >= 0));
  if (hiding.length === 0) return expand(scalar(sizeOf(observationShape)), [B]);
  const seen = hiding.map(([name, covers]) => {
    const flat = reshape(data[name]!, [B, sizeOf(shapes[name]!)]);
    const covered = gather(flat, integers([...covers].map((index) => Math.max(index, 0))), 1);
    if (!covers.includes(-1)) return covered;
    // 1 wherever this mask has no say: m c + (1 - c) with c = 1 where it covers.
    const isCovered = float32([...covers].map((index) => Number(index >= 0)));
    const isFree = float32([...covers].map((index) => Number(index < 0)));
    return add(mul(covered, constant(isCovered)), constant(isFree));
  });
  return sum(seen.reduce(mul), [1]);
}
