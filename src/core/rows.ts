/** Rows of arrays by number. */

import { float32, type HostArray } from "./array.ts";

/** The rows with these numbers, [k, ...shape]. */
export function pickRows(array: HostArray<"float32">, numbers: ArrayLike<number>): HostArray<"float32"> {
  const size = array.data.length / array.shape[0]!;
  const out = float32(new Float32Array(numbers.length * size), [numbers.length, ...array.shape.slice(1)]);
  for (let i = 0; i < numbers.length; i++)
    out.data.set(array.data.subarray(numbers[i]! * size, (numbers[i]! + 1) * size), i * size);
  return out;
}

/** Puts row i of an array into the place of row numbers[i] of another, for as many as it has. */
export function putRows(
  into: HostArray<"float32">,
  numbers: ArrayLike<number>,
  { data, shape }: HostArray<"float32">,
): void {
  const n = shape[0]!;
  const size = data.length / n;
  for (let i = 0; i < n; i++) into.data.set(data.subarray(i * size, (i + 1) * size), numbers[i]! * size);
}
