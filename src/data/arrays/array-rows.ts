import { closeSync, readSync } from "node:fs";
import { bytesPerElement, fromBytes, type HostArray, hostArray, rows } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { readFailure } from "../../core/files.ts";
import { formatShape, type Shape, sizeOf } from "../../core/shape.ts";
import { openNpy } from "./npy.ts";

/** An array [n, ...] whose rows are read a few at a time, from memory or from a .npy file. */
export interface ArrayRows {
  readonly shape: Shape;
  /** Rows [start, end) as float32. @throws DataError if the file cannot be read any more */
  read(start: number, end: number): HostArray<"float32">;
  /** Frees the file, if there is one. */
  close(): void;
}

/** Rows of an array in memory. @param where named in messages @throws DataError if they are no measurements */
export function memoryRows(array: HostArray, where = "array"): ArrayRows {
  refuseIndices(array, where);
  return {
    shape: array.shape,
    read: (start, end) => toFloat32(rows(array, start, end)),
    close: () => undefined,
  };
}

/** Rows of a .npy file, which is never held as a whole. @throws DataError if it is missing, damaged or has no rows */
export function npyRows(path: string): ArrayRows {
  const { descriptor, offset, dtype, shape } = openNpy(path);
  try {
    refuseIndices({ dtype, shape }, path);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  const width = sizeOf(shape.slice(1)) * bytesPerElement(dtype);
  return {
    shape,
    read(start, end) {
      const bytes = new Uint8Array((end - start) * width);
      try {
        const filled = readSync(descriptor, bytes, 0, bytes.byteLength, offset + start * width);
        if (filled !== bytes.byteLength)
          throw new DataError(
            `${path}: expected row ${end - 1}, found the end. The file changed; write it again.`,
          );
      } catch (error) {
        throw readFailure(path, "an array", error);
      }
      return toFloat32(fromBytes(dtype, [end - start, ...shape.slice(1)], bytes));
    },
    close: () => closeSync(descriptor),
  };
}

/** A single row as if it stood `count` times: what all observations share. @param array [1, ...] */
export function repeatedRows(array: ArrayRows, count: number): ArrayRows {
  const shapeOf = (n: number) => [n, ...array.shape.slice(1)];
  return {
    shape: shapeOf(count),
    read: (start, end) =>
      hostArray("float32", shapeOf(end - start), repeated(array.read(0, 1).data, end - start)),
    close: array.close,
  };
}

/** A row `times` times. */
export function repeated(row: Float32Array, times: number): Float32Array {
  const all = new Float32Array(times * row.length);
  for (let k = 0; k < times; k++) all.set(row, k * row.length);
  return all;
}

/** The number of an array without axes, in the seven digits of float32, so that 1e-4 stays what it is. */
export function scalarOf(array: ArrayRows): number {
  return Number(array.read(0, 1).data[0]!.toPrecision(7));
}

/** Numbers of any dtype as float32. @param where named in messages @throws DataError for 64-bit integers */
export function toFloat32(array: HostArray, where = "array"): HostArray<"float32"> {
  const { dtype, shape, data } = array;
  if (dtype === "float32") return array as HostArray<"float32">;
  refuseIndices(array, where);
  return hostArray("float32", shape, Float32Array.from(data as Float64Array)); // any numbers but bigint
}

/** 64-bit integers are indices and no measurements. */
function refuseIndices({ dtype, shape }: Pick<HostArray, "dtype" | "shape">, where: string): void {
  if (dtype === "int64")
    throw new DataError(
      `${where}: expected numbers, found int64 ${formatShape(shape)}. Convert it first, e.g. array.astype("<f4").`,
    );
}
