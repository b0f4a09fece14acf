import { closeSync, readSync } from "node:fs";
import { type DataOf, type DType, type HostArray, hostArray, rows } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { readFailure } from "../../core/files.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { openNpy, orderedNumbers } from "./npy.ts";
import { readShape } from "./number-types.ts";

/** An array [n, ...] in memory or in a file, whose rows are read a few at a time. All readers of arrays give one. */
export interface ArrayRows {
  /** What messages call the array, such as its file. */
  readonly name: string;
  /** Complex numbers have a last axis of 2, real and imaginary part. */
  readonly shape: Shape;
  /** Whether the numbers are complex. */
  readonly isComplex?: boolean;
  /** Rows [start, end), each number in the type that it is stored in. @throws DataError if the file can no longer be read */
  read(start: number, end: number): Promise<HostArray>;
  /** Frees the file, if there is one. */
  close(): void;
}

/** Rows of an array in memory. @param name in messages */
export function memoryRows(array: HostArray, name = "array"): ArrayRows {
  return {
    name,
    shape: array.shape,
    read: async (start, end) => rows(array, start, end),
    close: () => undefined,
  };
}

/** Rows of a .npy file, which is never held as a whole. @throws DataError if it is missing, damaged or holds no numbers */
export function npyRows(path: string): ArrayRows {
  const { descriptor, layout } = openNpy(path);
  const { type, shape, isFortran, offset } = layout;
  const [count = 1, ...row] = shape;
  const width = sizeOf(row);
  const fill = (bytes: Uint8Array, at: number) => {
    if (readSync(descriptor, bytes, 0, bytes.length, offset + at * type.bytes) !== bytes.length)
      throw new DataError(`${path}: expected more numbers, found the end. The file changed; write it again.`);
  };
  return {
    name: path,
    shape: readShape(type, shape),
    isComplex: type.isComplex,
    async read(start, end) {
      const n = end - start;
      const bytes = new Uint8Array(n * width * type.bytes);
      try {
        if (!isFortran) fill(bytes, start * width);
        else
          for (let entry = 0; entry < width; entry++) {
            // In Fortran order the same entry of all rows lies side by side.
            const part = bytes.subarray(entry * n * type.bytes, (entry + 1) * n * type.bytes);
            fill(part, entry * count + start);
          }
      } catch (error) {
        throw readFailure(path, "an array", error);
      }
      return orderedNumbers(layout, shape.length === 0 ? [] : [n, ...row], bytes, path);
    },
    close: () => closeSync(descriptor),
  };
}

/** A single row as if it stood `count` times: what all observations share. @param array [1, ...] */
export function repeatedRows(array: ArrayRows, count: number): ArrayRows {
  const [, ...shape] = array.shape;
  let row: Promise<HostArray> | undefined; // read once
  return {
    ...array,
    shape: [count, ...shape],
    async read(start, end) {
      row ??= array.read(0, 1);
      const { dtype, data } = await row;
      return hostArray(dtype, [end - start, ...shape], repeated(data, end - start));
    },
  };
}

/** A row `times` times. */
export function repeated<T extends DataOf[DType]>(row: T, times: number): T {
  const all = new (row.constructor as new (length: number) => T)(times * row.length);
  for (let k = 0; k < times; k++) all.set(row as never, k * row.length); // of the same type
  return all;
}

/** The number of an array without axes; of single precision its seven digits, so that 1e-4 stays what it is. */
export async function scalarOf(array: ArrayRows): Promise<number> {
  const { dtype, data } = await array.read(0, 1);
  const value = Number(data[0]);
  return dtype === "float32" ? Number(value.toPrecision(7)) : value;
}

/** Integers up to here are exact in double precision. */
const LARGEST_EXACT = 2n ** 53n;
/** The least positive number that single precision has all digits of. */
const SMALLEST = 2 ** -126;

/**
 * Numbers in single precision, rounded to its seven digits.
 * @param where named in messages
 * @throws DataError for integers beyond 2^53, numbers beyond the range of float32, and arrays of which it keeps no digits
 */
export function toFloat32(array: HostArray, where = "array"): HostArray<"float32"> {
  const { dtype, shape, data } = array;
  if (dtype === "float32") return array as HostArray<"float32">;
  if (dtype === "int64") expectExact(data as BigInt64Array, where);
  const values = Float32Array.from(data as Float64Array, Number); // bigint among them
  if (dtype === "float64") expectInRange(data as Float64Array, values, where);
  return hostArray("float32", shape, values);
}

function expectExact(data: BigInt64Array, where: string): void {
  const wrong = data.findIndex((value) => value > LARGEST_EXACT || value < -LARGEST_EXACT);
  if (wrong >= 0)
    throw new DataError(
      `${where}: entry ${wrong}: expected integers up to 2^53, found ${data[wrong]}, which would lose digits. Subtract an offset or scale them first.`,
    );
}

function expectInRange(data: Float64Array, single: Float32Array, where: string): void {
  let largest = 0;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i]!) && !Number.isFinite(single[i]!)) throw outOfRange(where, data[i]!);
    if (Number.isFinite(data[i]!)) largest = Math.max(largest, Math.abs(data[i]!));
  }
  if (largest > 0 && largest < SMALLEST) throw outOfRange(where, largest);
}

function outOfRange(where: string, found: number): DataError {
  return new DataError(
    `${where}: expected numbers that single precision holds, 1e-38 to 3e38, found ${found}. Choose other units: y times c, and variances times c^2.`,
  );
}
