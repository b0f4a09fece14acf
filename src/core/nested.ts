/** Arrays as JSON has them: lists of lists. */
import { float32, type HostArray } from "./array.ts";
import type { Kind } from "./kinds.ts";
import { sameShape } from "./shape.ts";

/** Numbers in lists, equally long, nested as deep as the array has axes. */
export type NestedNumbers = readonly (number | NestedNumbers)[];

/** Lists of numbers nested so deep. */
export function nestedNumbers(axes: number): Kind<NestedNumbers> {
  const schema = Array.from({ length: axes }).reduce<object>(
    (items) => ({ type: "array", items, minItems: 1 }),
    { type: "number" },
  );
  return {
    expected: `lists of finite numbers, equally long and nested ${axes} deep`,
    accepts: (value): value is NestedNumbers => isNested(value, axes),
    schema: { ...schema },
  };
}

/** The array that lists stand for. */
export function nestedArray(numbers: NestedNumbers): HostArray<"float32"> {
  return float32(flatten(numbers), shapeOf(numbers));
}

/** Whether lists are nested so deep, finite numbers in the innermost, and all at one depth equally long. */
function isNested(value: unknown, axes: number): boolean {
  if (axes === 0) return typeof value === "number" && Number.isFinite(value);
  if (!Array.isArray(value) || value.length === 0) return false;
  const first = shapeOf(value[0]);
  return value.every((part) => isNested(part, axes - 1) && sameShape(shapeOf(part), first));
}

function flatten(numbers: NestedNumbers): number[] {
  return numbers.flatMap((part) => (typeof part === "number" ? part : flatten(part)));
}

function shapeOf(value: unknown): number[] {
  return Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : [];
}
