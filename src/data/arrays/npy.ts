/**
 * NumPy's .npy files, little-endian and in C order.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { bytesPerElement, type DType, fromBytes, type HostArray, toBytes } from "../../core/array.ts";
import { DataError, ShapeError } from "../../core/errors.ts";
import {
  expectRegularSync,
  openAtomic,
  readFailure,
  readFileOrFail,
  writeFileAtomic,
} from "../../core/files.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../../core/shape.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const; // "\x93NUMPY"

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
 * The array in a .npy file.
 * @throws DataError if the file is missing, damaged, in Fortran order, or of a dtype that diem does not hold
 */
export async function readNpy(path: string): Promise<HostArray> {
  return decodeNpy(await readFileOrFail(path, "a .npy array"), path);
}

/**
 * The array in the bytes of a .npy file, without a copy where alignment allows it.
 * @param where named in messages
 * @throws DataError as `readNpy`
 */
export function decodeNpy(bytes: Uint8Array, where = "decodeNpy"): HostArray {
  const { header, dataStart } = splitHeader(bytes, where);
  const { dtype, shape } = parseHeader(header, where);
  const expected = sizeOf(shape) * bytesPerElement(dtype);
  const found = bytes.byteLength - dataStart;
  if (found !== expected)
    throw new DataError(
      `${where}: expected ${expected} bytes of ${dtype} ${formatShape(shape)} after the header, found ${found}. The file is damaged; write it again.`,
    );
  const array = fromBytes(dtype, shape, new Uint8Array(bytes.buffer, bytes.byteOffset + dataStart, found));
  if (dtype === "bool") checkBooleans(array.data as Uint8Array, where);
  return array;
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
 * @returns the open file (the caller closes it), where the data begin, dtype and shape
 * @throws DataError if the file is missing, damaged or shorter than its shape
 */
export function openNpy(path: string): { descriptor: number; offset: number; dtype: DType; shape: number[] } {
  let descriptor: number | undefined;
  try {
    expectRegularSync(path);
    descriptor = openSync(path, "r");
    const start = new Uint8Array(HEADER_BYTES);
    const { header, dataStart } = splitHeader(start.subarray(0, readSync(descriptor, start)), path);
    const { dtype, shape } = parseHeader(header, path);
    const expected = dataStart + sizeOf(shape) * bytesPerElement(dtype);
    const { size } = fstatSync(descriptor);
    if (size !== expected)
      throw new DataError(
        `${path}: expected ${expected} bytes, found ${size}. The file is damaged; write it again.`,
      );
    return { descriptor, offset: dataStart, dtype, shape };
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw readFailure(path, "an array", error);
  }
}

/** The bytes of a .npy file, version 1.0, with the data at a multiple of 64 as NumPy writes it. */
export function encodeNpy(array: HostArray): Uint8Array<ArrayBuffer> {
  const header = encodeNpyHeader(array.shape, array.dtype);
  const data = toBytes(array);
  const bytes = new Uint8Array(header.byteLength + data.byteLength);
  bytes.set(header);
  bytes.set(data, header.byteLength);
  return bytes;
}

/** Writes a .npy file that is whole or absent. @throws DataError if the disk refuses */
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

/** @throws DataError if an element is neither 0 nor 1, which would be a third truth value */
export function checkBooleans(data: Uint8Array, where: string): void {
  const index = data.findIndex((value) => value > 1);
  if (index >= 0)
    throw new DataError(
      `${where}: entry ${index}: expected a bool of 0 or 1, found ${data[index]}. The file is damaged; write it again.`,
    );
}

function splitHeader(bytes: Uint8Array, where: string): { header: string; dataStart: number } {
  if (bytes.byteLength < 10 || MAGIC.some((byte, i) => bytes[i] !== byte))
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
  return { header, dataStart: start + length };
}

function parseHeader(header: string, where: string): { dtype: DType; shape: number[] } {
  const description = /'descr'\s*:\s*(?:'([^']*)'|\[)/.exec(header);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header);
  const axes = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header);
  if (description === null || order === null || axes === null)
    throw new DataError(
      `${where}: expected a header with descr, fortran_order and shape, found ${JSON.stringify(header.slice(0, 80))}. The file is damaged; write it again.`,
    );
  const name = description[1] ?? "a structured dtype";
  const dtype = (Object.keys(DESCRIPTIONS) as DType[]).find((key) => DESCRIPTIONS[key] === name);
  if (dtype === undefined)
    throw new DataError(
      `${where}: expected dtype ${Object.values(DESCRIPTIONS).join(", ")}, found ${name}. Convert it first, e.g. array.astype("<f4").`,
    );
  const shape = axes[1]!
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map(Number);
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(sizeOf(shape) * 8))
    throw new DataError(
      `${where}: expected a shape of integers, found (${axes[1]}). The file is damaged; write it again.`,
    );
  if (order[1] === "True" && shape.length > 1)
    throw new DataError(
      `${where}: expected C order, found Fortran order. Save numpy.ascontiguousarray(array) instead.`,
    );
  return { dtype, shape };
}

/** The beginning of a .npy file, up to the data. */
export function encodeNpyHeader(shape: Shape, dtype: DType): Uint8Array<ArrayBuffer> {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${DESCRIPTIONS[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const padded = `${text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11)}\n`;
  const bytes = new Uint8Array(10 + padded.length);
  bytes.set([...MAGIC, 1, 0, padded.length & 0xff, padded.length >> 8]);
  bytes.set(new TextEncoder().encode(padded), 10);
  return bytes;
}
