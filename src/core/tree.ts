/** Values under names that may nest, as in { x, measurement: { y, data: { mask } } }; the path of y is "measurement.y". */
import { ShapeError } from "./errors.ts";

/** Values under names, or under names of names. */
export type Tree<T> = { readonly [name: string]: T | Tree<T> };

/** The type of a tree of which each `From` became a `To`. */
export type Mapped<T, From, To> = T extends From
  ? To
  : T extends object
    ? { readonly [K in keyof T]: Mapped<T[K], From, To> }
    : T;

/** Arrays, tensors and shapes are values; any other object holds more names. */
function isValue<T extends object>(node: T | Tree<T>): node is T {
  return Array.isArray(node) || typeof (node as { dtype?: unknown }).dtype === "string";
}

/** The tree with each value mapped. @param map is told the value's path as well */
export function mapTree<T extends object, U extends object>(
  tree: Tree<T>,
  map: (value: T, path: string) => U,
  above = "",
): Tree<U> {
  const entries = Object.entries(tree).map(([name, node]) => {
    const path = above + name;
    return [name, isValue(node) ? map(node, path) : mapTree(node, map, `${path}.`)] as const;
  });
  return Object.fromEntries(entries);
}

/** The values under their paths. @throws ShapeError if a name with a dot makes two paths equal */
export function flatten<T extends object>(tree: Tree<T>): Record<string, T> {
  const flat: Record<string, T> = {};
  mapTree(tree, (value, path) => {
    if (path in flat) throw new ShapeError(`${path} stands for two values. Rename one.`);
    flat[path] = value;
    return value;
  });
  return flat;
}
