import { type HostArray, zeros } from "../core/array.ts";
import { putRows } from "../core/rows.ts";
import { sameShape } from "../core/shape.ts";
import { kindsIn, type ObservationSet } from "../data/observations/observation-set.ts";

/**
 * The first observations of a set and their masks, as reports show them: each left out where kinds have it in several shapes.
 * Of kinds without a mask all was seen.
 */
export async function shownOf(
  set: ObservationSet,
  count: number,
): Promise<{ readonly y?: HostArray<"float32">; readonly mask?: HostArray<"float32"> }> {
  const kinds: { numbers: Int32Array; y: HostArray<"float32">; mask?: HostArray<"float32"> | undefined }[] =
    [];
  for (const { observations, range, numbers } of kindsIn(set, [0, count])) {
    const { y, data } = await observations.read(...range);
    kinds.push({ numbers, y, mask: data.mask });
  }
  const [first] = kinds;
  const own = first!.y.shape.slice(1);
  const masked = kinds.filter(({ mask }) => mask);
  const maskShape = masked[0]?.mask?.shape.slice(1);
  const isAlike = kinds.every(({ y }) => sameShape(y.shape.slice(1), own));
  if (!isAlike) return {};
  const y = zeros("float32", [count, ...own]);
  for (const kind of kinds) putRows(y, kind.numbers, kind.y);
  if (!maskShape || !masked.every(({ mask }) => sameShape(mask!.shape.slice(1), maskShape))) return { y };
  const mask = zeros("float32", [count, ...maskShape]);
  mask.data.fill(1);
  for (const kind of masked) putRows(mask, kind.numbers, kind.mask!);
  return { y, mask };
}
