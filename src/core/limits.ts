/** How much is made because a file says so: what a file states may be far more than what it holds. */

import { ShapeError } from "./errors.ts";
import { formatShape, type Shape, sizeOf } from "./shape.ts";

/** Most numbers of one array that nothing backs but its stated shape: 512 MiB of float32, a volume of 512 x 512 x 512. */
export const MOST_NUMBERS = 2 ** 27;
/** Of a batch, so many for each sample are allowed as well: 64 channels of 512 x 512. Whoever feeds samples bears them. */
const MOST_OF_A_SAMPLE = 2 ** 24;
/** An index of 32 bits reaches no further. */
const LARGEST = 2 ** 31 - 1;
/** Most axes of a stated shape, as in NumPy. */
export const MOST_AXES = 64;

/** Most levels of a sampler: float32 hardly tells more from one another. */
export const MOST_LEVELS = 2 ** 16;
/** Most steps of a linear solver, each of which is written into the graph: as many take minutes to compile. */
export const MOST_SOLVER_STEPS = 1000;
/** Most iterations of EM: plans look at each of them. */
export const MOST_ITERATIONS = 2 ** 16;

/** Whether an array of that shape may be made. @param samples that are computed together */
export function isBearable(shape: Shape, samples = 1): boolean {
  return shape.length <= MOST_AXES && sizeOf(shape) <= mostNumbers(samples);
}

function mostNumbers(samples: number): number {
  return Math.min(LARGEST, Math.max(MOST_NUMBERS, samples * MOST_OF_A_SAMPLE));
}

/** @param samples that are computed together        @throws ShapeError unless an array of that shape may be made */
export function expectBearable(shape: Shape, where: string, samples = 1): void {
  if (!isBearable(shape, samples))
    throw new ShapeError(
      `${where}: expected at most ${mostNumbers(samples)} numbers in an array, found the shape ${formatShape(shape.slice(0, MOST_AXES))}. Divide the data into smaller ones.`,
    );
}
