import { anything, list } from "../../core/kinds.ts";
import type { Shape } from "../../core/shape.ts";
import type { Tensor } from "../../graph/index.ts";
import type { OperatorFamily } from "../operator.ts";
import type { ArrayShapes } from "../operator-kind.ts";

/** The field `parts`; each part is a specification of its own. */
export const PARTS = list(anything, "operators", 1);

/** The name that the data of part i have in the whole, as "part0.mask". */
export function partName(i: number, name: string): string {
  return `part${i}.${name}`;
}

/** Of arrays of the whole those of part i, under the names that it knows. */
export function arraysOfPart(arrays: ArrayShapes, i: number): ArrayShapes {
  const prefix = partName(i, "");
  return Object.fromEntries(
    Object.entries(arrays).flatMap(([name, array]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), array] as const] : [],
    ),
  );
}

/** Data of all parts under their names in the whole. */
export function dataOfParts(parts: readonly OperatorFamily[]): Record<string, Shape> {
  return Object.fromEntries(
    parts.flatMap(({ data }, i) =>
      Object.entries(data).map(([name, shape]) => [partName(i, name), shape] as const),
    ),
  );
}

/** Parameters of all parts under their names in the whole. */
export function parametersOfParts(parts: readonly OperatorFamily[]): string[] {
  return parts.flatMap(({ parameters = [] }, i) => parameters.map((name) => partName(i, name)));
}

/** Data of part i under the names that it knows. */
export function dataOfPart(
  { data: shapes }: OperatorFamily,
  i: number,
  data: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  return Object.fromEntries(Object.keys(shapes).map((name) => [name, data[partName(i, name)]!]));
}

/** Number of masks of all parts: each is mapped onto the whole. */
export function maskCount(parts: readonly OperatorFamily[]): number {
  return parts.reduce((count, { masks }) => count + Object.keys(masks).length, 0);
}
