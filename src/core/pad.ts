import { float32, type HostArray } from "./array.ts";
import { sizeOf } from "./shape.ts";
import { mapTree, type Tree } from "./tree.ts";

/** All arrays of a tree with their first row repeated up to `batch` rows. */
export function padTree(tree: Tree<HostArray<"float32">>, batch: number): Tree<HostArray<"float32">> {
  return mapTree<HostArray<"float32">, HostArray<"float32">>(tree, (array) => padRows(array, batch));
}

/** Repeats the first row up to `batch` rows, scalars apart: padding is ordinary data, which stays finite wherever data do. */
function padRows(array: HostArray<"float32">, batch: number): HostArray<"float32"> {
  const [count, ...shape] = array.shape as [number, ...number[]];
  if (count === batch || array.shape.length === 0) return array;
  const size = sizeOf(shape);
  const out = new Float32Array(batch * size);
  out.set(array.data);
  for (let row = count; row < batch; row++) out.set(array.data.subarray(0, size), row * size);
  return float32(out, [batch, ...shape]);
}
