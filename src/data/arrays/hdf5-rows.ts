/** Data sets of HDF5 files, as h5py and netCDF-4 write them. */

import type { Metadata } from "h5wasm";
import { type HostArray, hostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { isBearable, MOST_NUMBERS } from "../../core/limits.ts";
import { formatShape, sizeOf } from "../../core/shape.ts";
import { openHdf5 } from "../scans/hdf5.ts";
import type { ArrayRows } from "./array-rows.ts";
import { hostNumbers, NUMBERS, type Numbers } from "./number-types.ts";

/** HDF5's own numbers for kinds of types. */
const [INTEGER, FLOAT, COMPOUND, ENUM] = [0, 1, 6, 8];

/**
 * Rows of a data set, of which only the chunks that are asked for are read.
 * @param name its path inside the file
 * @throws DataError if there is no such data set, it holds no numbers, or its chunks are too large
 */
export async function hdf5Rows(path: string, name: string): Promise<ArrayRows> {
  const file = await openHdf5(path);
  const where = `${path}:${name}`;
  try {
    const dataset = file.dataset(name);
    const metadata = file.guarded(name, () => dataset.metadata);
    const shape = metadata.shape ?? [];
    const isComplex = metadata.type === COMPOUND;
    checkType(metadata, where);
    const row = shape.slice(1);
    for (const part of [row, metadata.chunks ?? []])
      if (!isBearable(part))
        throw new DataError(
          `${where}: expected rows and chunks of at most ${MOST_NUMBERS} numbers, found ${formatShape(part)}. Write it in smaller chunks.`,
        );
    return {
      name: where,
      shape: isComplex ? [...shape, 2] : shape,
      isComplex,
      async read(start, end) {
        // The rows and their copy, and a chunk as stored, as unpacked and while its room grows.
        const most = metadata.size * (2 * (end - start) * sizeOf(row) + 4 * sizeOf(metadata.chunks ?? []));
        const ranges = shape.length === 0 ? [] : [[start, end], ...row.map(() => [])];
        const values = file.guarded(
          name,
          () => (shape.length === 0 ? dataset.value : dataset.slice(ranges as [number, number][])),
          most,
        );
        const own = shape.length === 0 ? [] : [end - start, ...row];
        return isComplex ? pairs(values, own) : hostNumbers(own, asNumbers(values, metadata), where);
      },
      close: file.close,
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

function checkType({ type, size, compound_type, enum_type }: Metadata, where: string): void {
  const parts = compound_type?.members ?? [];
  const isComplex = parts.length === 2 && parts.every((part) => part.type === FLOAT && part.size >= 4);
  const isBool = enum_type !== undefined && Object.keys(enum_type.members).sort().join() === "FALSE,TRUE";
  const isNumber = type === INTEGER || (type === FLOAT && (size === 4 || size === 8));
  if (isNumber || (type === ENUM && isBool) || (type === COMPOUND && isComplex)) return;
  const found = type === FLOAT ? `floating-point numbers of ${8 * size} bits` : "other things";
  throw new DataError(
    `${where}: expected ${NUMBERS}, found ${found}. Convert it first, e.g. array.astype("<f4").`,
  );
}

/** One number of a data set without axes comes by itself; truth values are one byte each. */
function asNumbers(values: unknown, { type, size }: Metadata): Numbers {
  if (ArrayBuffer.isView(values)) {
    const numbers = values as Numbers; // of integers and floats
    return type === ENUM ? new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.length) : numbers;
  }
  if (typeof values === "bigint") return BigInt64Array.of(values);
  return type === FLOAT && size === 4 ? Float32Array.of(Number(values)) : Float64Array.of(Number(values));
}

/** Complex numbers come as pairs. */
function pairs(values: unknown, shape: readonly number[]): HostArray {
  const all = (shape.length === 0 ? [values] : values) as readonly ArrayLike<number>[];
  const parts = new Float64Array(2 * sizeOf(shape));
  all.forEach((pair, k) => {
    parts[2 * k] = Number(pair[0]);
    parts[2 * k + 1] = Number(pair[1]);
  });
  return hostArray("float64", [...shape, 2], parts);
}
