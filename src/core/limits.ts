/** How much is made because a file says so: what a file states may be far more than what it holds. */

import { ShapeError } from "./errors.ts";
import { formatShape, type Shape, sizeOf } from "./shape.ts";

/** Most numbers of one array that nothing backs but its stated shape: 512 MiB of float32, a volume of 512 x 512 x 512. */
export const MOST_NUMBERS = 2 ** 27;
/** Most axes of a stated shape, as in NumPy. */
export const MOST_AXES = 64;

/** Whether an array of that shape may be made. */
export function isBearable(shape: Shape): boolean {
  return shape.length <= MOST_AXES && sizeOf(shape) <= MOST_NUMBERS;
}

/** @throws ShapeError unless an array of that shape may be made */
export function expectBearable(shape: Shape, where: string): void {
  if (!isBearable(shape))
    throw new ShapeError(
      `${where}: expected at most ${MOST_NUMBERS} numbers in an array, found the shape ${formatShape(shape.slice(0, MOST_AXES))}. Divide the data into smaller ones.`,
    );
}
