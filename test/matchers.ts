import type { HostArray } from "../src/core/array.ts";
import { formatShape, sameShape } from "../src/core/shape.ts";

type Values = HostArray | ArrayLike<number>;

/** Agreement of float32 results that took different roads; see `relative` below. */
export const FLOAT32_TOLERANCE = 1e-5;

/**
 * Fails unless |actual - expected| <= absolute + relative * max |expected| at every element, and shapes agree where
 * both have one. The scale is that of the whole array: rounding errors of sums are not relative to each element.
 * The message names the worst element.
 */
export function expectAllClose(
  actual: Values,
  expected: Values,
  { relative = FLOAT32_TOLERANCE, absolute = 1e-12 }: { relative?: number; absolute?: number } = {},
): void {
  const got = numbers(actual);
  const want = numbers(expected);
  const [shape, wantedShape] = [shapeOf(actual), shapeOf(expected)];
  if (shape && wantedShape && !sameShape(shape, wantedShape))
    throw new Error(`expected shape ${formatShape(wantedShape)}, got ${formatShape(shape)}`);
  if (got.length !== want.length) throw new Error(`expected ${want.length} elements, got ${got.length}`);
  const scale = want
    .filter(Number.isFinite)
    .reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const errors = got.map((value, i) => errorOf(value, want[i]!));
  const worst = errors.reduce((most, error, i) => (error > errors[most]! ? i : most), 0);
  if (got.length === 0 || errors[worst]! <= absolute + relative * scale) return;
  throw new Error(
    `worst at index ${worst}: expected ${want[worst]}, got ${got[worst]}, absolute error ${errors[worst]}, ` +
      `relative to the largest expected (${scale}) ${errors[worst]! / scale}; ` +
      `allowed absolute ${absolute}, relative ${relative}`,
  );
}

/** Infinite where one of the two is NaN, or infinite, and the other is not the same. */
function errorOf(value: number, expected: number): number {
  if (Object.is(value, expected)) return 0;
  const error = Math.abs(value - expected);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

function shapeOf(values: Values): readonly number[] | undefined {
  return "shape" in values ? values.shape : undefined;
}

function numbers(values: Values): number[] {
  return Array.from("shape" in values ? values.data : values, Number);
}
