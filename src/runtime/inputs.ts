import type { Shape } from "../core/shape.ts";
import { type Mapped, mapTree, type Tree } from "../core/tree.ts";
import { input, type Tensor } from "../graph/index.ts";

/** The inputs that shapes become, under the same names. */
export type InputsOf<T> = Mapped<T, Shape, Tensor>;

/** Inputs for n samples, [n, ...shape] each. @param shapes of one sample's arrays, under names which may nest */
export function inputsOf<T>(shapes: T, n: number): InputsOf<T> {
  return mapTree<Shape, Tensor>(shapes as Tree<Shape>, (shape) => input([n, ...shape])) as InputsOf<T>;
}
