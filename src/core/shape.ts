import { ShapeError } from "./errors.ts";

/** Sizes of the axes of a tensor, outermost first. `[]` is a scalar. */
export type Shape = readonly number[];

/** Number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** The shape of `a + b` under NumPy's broadcasting rule. @throws ShapeError if an axis differs and neither is 1 */
export function broadcastShapes(a: Shape, b: Shape, where: string): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1)
      throw new ShapeError(`${where}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast.`);
    return left === 1 ? right : left;
  });
}

/** Maps a negative axis to its positive one. @throws ShapeError if out of range */
export function normalizeAxis(axis: number, rank: number, where: string): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank)
    throw new ShapeError(`${where}: axis must be in [${-rank}, ${rank - 1}], got ${axis}.`);
  return positive;
}

/**
 * Checks a shape against a pattern and returns the sizes that its letters stand for.
 * A number must match; a letter binds on first use and must agree afterwards.
 *   const { B } = expectShape(x.shape, ["B", 3, "H", "H"], "UNet: x");
 * @throws ShapeError naming the first axis that differs
 */
export function expectShape<L extends string>(
  shape: Shape,
  pattern: readonly (L | number)[],
  where: string,
): Record<L, number> {
  const bound = {} as Record<L, number>;
  const fail = (why: string) =>
    new ShapeError(`${where} must be [${pattern.join(", ")}], got ${formatShape(shape)} (${why}).`);
  if (shape.length !== pattern.length) throw fail(`${pattern.length} axes expected, got ${shape.length}`);
  pattern.forEach((entry, axis) => {
    const expected = typeof entry === "number" ? entry : bound[entry];
    const found = shape[axis]!;
    if (expected !== undefined && expected !== found)
      throw fail(`axis ${axis}: expected ${expected}, got ${found}`);
    if (typeof entry === "string") bound[entry] = found;
  });
  return bound;
}

/** The largest divisor of n up to `most`. */
export function divisorBelow(n: number, most: number): number {
  let divisor = Math.min(n, most);
  while (n % divisor !== 0) divisor--;
  return divisor;
}
