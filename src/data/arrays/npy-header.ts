/**
 * The headers of NumPy's .npy files.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

import { DataError } from "../../core/errors.ts";
import { sizeOf } from "../../core/shape.ts";
import { NUMBERS, type NumberType, parseNumberType } from "./number-types.ts";

/** The first bytes, "\x93NUMPY". */
export const NPY_MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const;

/** What a header says of the numbers behind it. */
export interface NpyLayout {
  readonly type: NumberType;
  readonly shape: readonly number[];
  /** Whether the first axis changes fastest. */
  readonly isFortran: boolean;
  /** Where the numbers begin. */
  readonly offset: number;
}

/** Bytes of the numbers behind a header. */
export function contentBytes({ type, shape }: NpyLayout): number {
  return sizeOf(shape) * type.bytes;
}

/** Whether the file of these bytes holds numbers, not text or objects. @throws DataError if its header is damaged */
export function holdsNumbers(bytes: Uint8Array, where: string): boolean {
  return parseNumberType(readFields(bytes, where).name) !== undefined;
}

/** @param bytes the beginning of a file, or all of it        @throws DataError if it is damaged, or holds other things than numbers */
export function readNpyHeader(bytes: Uint8Array, where: string): NpyLayout {
  const { name, order, axes, offset } = readFields(bytes, where);
  const type = parseNumberType(name);
  if (type === undefined)
    throw new DataError(
      `${where}: expected ${NUMBERS}, found ${name}. Convert it first, e.g. array.astype("<f8").`,
    );
  const shape = axes
    .split(",")
    .map((text) => text.trim().replace(/L$/, "")) // Python 2 marks long integers: 30L
    .filter((text) => text !== "")
    .map(Number);
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(sizeOf(shape) * 16))
    throw new DataError(
      `${where}: expected a shape of integers, found (${axes}). The file is damaged; write it again.`,
    );
  return { type, shape, isFortran: order === "True" && shape.length > 1, offset };
}

function readFields(bytes: Uint8Array, where: string) {
  const { header, offset } = splitHeader(bytes, where);
  const description = /'descr'\s*:\s*(?:'([^']*)'|\[)/.exec(header);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header);
  const axes = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(header);
  if (description === null || order === null || axes === null)
    throw new DataError(
      `${where}: expected a header with descr, fortran_order and shape, found ${JSON.stringify(header.slice(0, 80))}. The file is damaged; write it again.`,
    );
  return { name: description[1] ?? "a structured dtype", order: order[1]!, axes: axes[1]!, offset };
}

function splitHeader(bytes: Uint8Array, where: string): { header: string; offset: number } {
  if (bytes.byteLength < 10 || NPY_MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new DataError(`${where}: expected a .npy file, found other bytes. Write it with numpy.save.`);
  const version = bytes[6]!;
  if (version < 1 || version > 3)
    throw new DataError(
      `${where}: expected .npy version 1, 2 or 3, found ${version}. Write it with numpy.save.`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = version === 1 ? 10 : 12;
  const room = bytes.byteLength - start;
  const length = version === 1 ? view.getUint16(8, true) : room >= 0 ? view.getUint32(8, true) : 0;
  if (length > room || room < 0)
    throw new DataError(
      `${where}: expected a header of ${length} bytes, found ${Math.max(room, 0)}. The file is truncated; write it again.`,
    );
  const header = new TextDecoder().decode(bytes.subarray(start, start + length));
  return { header, offset: start + length };
}
