/** The IDX format in which MNIST is published: http://yann.lecun.com/exdb/mnist */

import { type HostArray, hostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { formatShape, sizeOf } from "../../core/shape.ts";

const UNSIGNED_BYTE = 0x08;

/**
 * The array in the bytes of an IDX file of unsigned bytes, as a view on the same memory.
 *   bytes 0, 0, type, rank; then `rank` sizes, 32 bits big-endian; then the data, row-major
 * @param where named in messages
 * @throws DataError if the magic number, type or length is wrong
 */
export function decodeIdx(bytes: Uint8Array, where = "decodeIdx"): HostArray<"uint8"> {
  const [first, second, type, rank] = bytes;
  if (first !== 0 || second !== 0 || rank === undefined || rank === 0)
    throw new DataError(
      `${where}: expected an IDX file, found other bytes. Unpack the file if it ends in .gz, or download it again.`,
    );
  if (type !== UNSIGNED_BYTE)
    throw new DataError(
      `${where}: expected IDX type 0x08 (unsigned byte), found 0x${type!.toString(16).padStart(2, "0")}. Convert the file to bytes first.`,
    );
  const dataStart = 4 + 4 * rank;
  if (bytes.byteLength < dataStart) throw truncated(where, dataStart, bytes.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = sizeOf(shape);
  if (bytes.byteLength - dataStart !== expected)
    throw truncated(where, dataStart + expected, bytes.byteLength, ` for shape ${formatShape(shape)}`);
  return hostArray(
    "uint8",
    shape,
    new Uint8Array(bytes.buffer, bytes.byteOffset + dataStart, bytes.byteLength - dataStart),
  );
}

function truncated(where: string, expected: number, found: number, why = ""): DataError {
  return new DataError(
    `${where}: expected ${expected} bytes${why}, found ${found}. The file is damaged; download it again.`,
  );
}
