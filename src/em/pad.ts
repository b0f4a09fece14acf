import { float32, type HostArray } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";

/** Filled up with ones to a batch: the rows that are added have weight 0 and must only stay finite, as variances too. */
export function padded(array: HostArray<"float32">, batch: number): HostArray<"float32"> {
  const shape = array.shape.slice(1);
  const out = new Float32Array(batch * sizeOf(shape)).fill(1);
  out.set(array.data);
  return float32(out, [batch, ...shape]);
}
