/** NumPy's .npy files: read as NumPy writes them, written little-endian and in C order. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type DType, type HostArray, toBytes } from "../../core/array.ts";
import { DataError, ShapeError } from "../../core/errors.ts";
import {
  expectRegularSync,
  openAtomic,
  readFailure,
  readFileOrFail,
  writeFileAtomic,
} from "../../core/files.ts";
import { formatShape, type Shape, sameShape } from "../../core/shape.ts";
import { inRowOrder } from "./axes.ts";
import { contentBytes, NPY_MAGIC, type NpyLayout, readNpyHeader } from "./npy-header.ts";
import { numbersFromBytes } from "./number-types.ts";

const DESCRIPTIONS = {
  float32: "<f4",
  float64: "<f8",
  int32: "<i4",
  int64: "<i8",
  uint8: "|u1",
  bool: "|b1",
} as const satisfies Record<DType, string>;

/** Streams the rows of one array into a file. */
export interface NpyWriter {
  /** Adds rows, [k, ...shape[1:]]. @throws ShapeError if a row has another shape, DataError if the disk refuses */
  append(rows: HostArray): Promise<void>;
  /** Gives the file its name. @throws DataError if rows are missing */
  close(): Promise<void>;
  /** Removes what was written so far; does nothing after `close`. */
  abort(): Promise<void>;
}

/**
 * Reads the array in a .npy file, in C order. Half precision and small integers become wider types.
 * @throws DataError if the file is missing, damaged, or holds no real numbers
 */
export async function readNpy(path: string): Promise<HostArray> {
  return decodeNpy(await readFileOrFail(path, "a .npy array"), path);
}

/**
 * Decodes the bytes of a .npy file, without a copy where type, order and alignment allow it.
 * @param where named in messages
 * @throws DataError as `readNpy`
 */
export function decodeNpy(bytes: Uint8Array, where = "decodeNpy"): HostArray {
  const { array, type } = decodeNpyNumbers(bytes, where);
  if (type.isComplex)
    throw new DataError(
      `${where}: expected real numbers, found ${type.name}. Save both parts, e.g. numpy.stack([a.real, a.imag], axis=1).`,
    );
  return array;
}

/** What `decodeNpy` gives, complex numbers as well: as real and imaginary part along a last axis. @throws DataError */
export function decodeNpyNumbers(
  bytes: Uint8Array,
  where: string,
): { readonly array: HostArray; readonly type: NpyLayout["type"] } {
  const layout = readNpyHeader(bytes, where);
  const { type, shape, offset } = layout;
  const [expected, found] = [contentBytes(layout), bytes.byteLength - offset];
  if (found !== expected)
    throw new DataError(
      `${where}: expected ${expected} bytes of ${type.name} ${formatShape(shape)} after the header, found ${found}. The file is damaged; write it again.`,
    );
  const content = new Uint8Array(bytes.buffer, bytes.byteOffset + offset, found);
  return { array: orderedNumbers(layout, shape, content, where), type };
}

/** Numbers of a shape in the file's own type and order, in C order. */
export function orderedNumbers(
  { type, isFortran }: NpyLayout,
  shape: Shape,
  bytes: Uint8Array,
  where: string,
): HostArray {
  const array = numbersFromBytes(type, shape, bytes, where);
  return isFortran ? inRowOrder(array, shape, type.isComplex ? [2] : []) : array;
}

/**
 * Writes an array whose rows `produce` appends one after the other; the file appears when all are there, and nothing is
 * left of it if `produce` fails.
 */
export async function writeNpyRows(
  path: string,
  shape: Shape,
  dtype: DType,
  produce: (append: NpyWriter["append"]) => Promise<void>,
): Promise<void> {
  const writer = await createNpyWriter(path, shape, dtype);
  try {
    await produce(writer.append);
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Longest header that is read ahead of the data; headers that NumPy writes have 128 bytes. */
const HEADER_BYTES = 65536;

/**
 * Opens a .npy file for reading rows at random.
 * @returns the open file (the caller closes it), and its layout
 * @throws DataError if the file is missing, damaged or shorter than its shape
 */
export function openNpy(path: string): { readonly descriptor: number; readonly layout: NpyLayout } {
  let descriptor: number | undefined;
  try {
    expectRegularSync(path);
    descriptor = openSync(path, "r");
    const start = new Uint8Array(HEADER_BYTES);
    const layout = readNpyHeader(start.subarray(0, readSync(descriptor, start)), path);
    const expected = layout.offset + contentBytes(layout);
    const { size } = fstatSync(descriptor);
    if (size !== expected)
      throw new DataError(
        `${path}: expected ${expected} bytes, found ${size}. The file is damaged; write it again.`,
      );
    return { descriptor, layout };
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw readFailure(path, "an array", error);
  }
}

/** Encodes an array as the bytes of a .npy file, version 1.0, with the data at a multiple of 64 as NumPy has it. */
export function encodeNpy(array: HostArray): Uint8Array<ArrayBuffer> {
  const header = encodeNpyHeader(array.shape, array.dtype);
  const data = toBytes(array);
  const bytes = new Uint8Array(header.byteLength + data.byteLength);
  bytes.set(header);
  bytes.set(data, header.byteLength);
  return bytes;
}

/** Writes a .npy file, whole or not at all. @throws DataError if the disk refuses */
export async function writeNpy(path: string, array: HostArray): Promise<void> {
  await writeFileAtomic(path, [encodeNpyHeader(array.shape, array.dtype), toBytes(array)]);
}

/**
 * Opens a .npy file for writing row by row in constant memory; it appears under `path` at `close`.
 * @param shape of the whole array, at least one axis; axis 0 counts the rows
 * @throws ShapeError if the shape has no axis, DataError if the disk refuses
 */
export async function createNpyWriter(path: string, shape: Shape, dtype: DType): Promise<NpyWriter> {
  const [count, ...rowShape] = shape;
  if (count === undefined)
    throw new ShapeError("createNpyWriter: shape must have at least one axis, got []. Use writeNpy.");
  const file = await openAtomic(path);
  await file.write(encodeNpyHeader(shape, dtype));
  let written = 0;
  return {
    async append(rows) {
      const total = written + (rows.shape[0] ?? 0);
      if (rows.dtype !== dtype || rows.shape.length === 0 || !sameShape(rows.shape.slice(1), rowShape))
        throw new ShapeError(
          `${path}: rows must be ${dtype} [k, ${rowShape.join(", ")}], got ${rows.dtype} ${formatShape(rows.shape)}.`,
        );
      if (total > count) throw new ShapeError(`${path}: expected ${count} rows in all, got ${total}.`);
      written = total;
      await file.write(toBytes(rows));
    },
    async close() {
      if (written !== count) {
        await file.abort();
        throw new DataError(
          `${path}: expected ${count} rows before closing, found ${written}. No file was written.`,
        );
      }
      await file.commit();
    },
    abort: () => file.abort(),
  };
}

/** The beginning of a .npy file, up to the data. */
export function encodeNpyHeader(shape: Shape, dtype: DType): Uint8Array<ArrayBuffer> {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${DESCRIPTIONS[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const padded = `${text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11)}\n`;
  const bytes = new Uint8Array(10 + padded.length);
  bytes.set([...NPY_MAGIC, 1, 0, padded.length & 0xff, padded.length >> 8]);
  bytes.set(new TextEncoder().encode(padded), 10);
  return bytes;
}
