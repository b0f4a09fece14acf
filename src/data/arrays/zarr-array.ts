/** Arrays of Zarr stores that others wrote, of format 2 and 3, read as Zarr defines them. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import * as zarr from "zarrita";
import { type HostArray, hostArray, zeros } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { isRecord, show } from "../../core/json.ts";
import { isBearable, MOST_NUMBERS } from "../../core/limits.ts";
import { formatShape, sizeOf } from "../../core/shape.ts";
import type { ArrayRows } from "./array-rows.ts";
import { transposed } from "./axes.ts";
import {
  halfToNumber,
  hostNumbers,
  NUMBERS,
  type Numbers,
  numberType,
  parseNumberType,
} from "./number-types.ts";
import { boundCodecs } from "./zarr-codecs.ts";
import { damagedIfFails, isSizes, strictChunks } from "./zarr-rows.ts";
import { type ByteRange, FolderStore, readJson, readRange } from "./zarr-store.ts";

/**
 * Rows of a Zarr array, whatever its chunks, shards and compression. A chunk that the store leaves out holds the fill value, as
 * Zarr has it; a row of which every chunk is left out is taken for a store that was copied in part.
 * @param path of the array's folder, such as store.zarr/y
 * @throws DataError if there is none, it holds no real numbers, or its chunks are too large
 */
export async function zarrArrayRows(path: string): Promise<ArrayRows> {
  const folder = new FolderStore(path);
  const { shape, gridRows, isHalf } = await describeArray(folder);
  const store = watchedStore(folder, isHalf);
  boundCodecs();
  const array = await damagedIfFails(path, async () => {
    const raw = await zarr.open(store, { kind: "array" });
    if (!isBearable(raw.chunks))
      throw new DataError(
        `${path}: expected chunks of at most ${MOST_NUMBERS} numbers, found ${formatShape(raw.chunks)}. Write it in smaller chunks.`,
      );
    return await zarr.extendArray(raw, strictChunks(path, sizeOf(raw.chunks)));
  });
  const numbersOf = (own: readonly number[], data: unknown) => {
    if (isHalf) return hostArray("float32", own, Float32Array.from(data as Uint16Array, halfToNumber));
    const numbers = ArrayBuffer.isView(data) ? data : Uint8Array.from(data as Iterable<number>, Number); // truth values
    return hostNumbers(own, numbers as Numbers, path);
  };
  const most = Math.max(1, Math.floor(MOST_NUMBERS / sizeOf(shape.slice(1)))); // rows that are made at a time
  let block = -1; // of rows whose chunks were seen
  const readBlock = async (start: number, end: number): Promise<HostArray> => {
    store.state.hasFound = false;
    const everything = shape.slice(1).map(() => null);
    const { data, stride } = await zarr.get(array, [zarr.slice(start, end), ...everything]);
    const own = Math.floor(start / gridRows);
    if (own !== block && !store.state.hasFound)
      throw new DataError(
        `${path}: expected a chunk of rows ${start} to ${end - 1}, found none. Copy the store again; in zarr-python, write with config={"write_empty_chunks": True}.`,
      );
    block = own;
    return inOrderOf(stride, [end - start, ...shape.slice(1)], (stored) => numbersOf(stored, data));
  };
  return {
    name: path,
    shape,
    read: (start, end) =>
      damagedIfFails(path, async () => {
        if (shape.length === 0) return numbersOf([], (await array.getChunk([])).data);
        const parts: HostArray[] = [];
        for (let at = start; at < end; ) {
          const last = Math.min(end, (Math.floor(at / gridRows) + 1) * gridRows, at + most);
          parts.push(await readBlock(at, last));
          at = last;
        }
        return joined(parts);
      }),
    close: () => undefined,
  };
}

/** In C order what lies in memory by strides. @param make the array of the shape that it has there */
function inOrderOf(
  stride: readonly number[],
  shape: readonly number[],
  make: (stored: readonly number[]) => HostArray,
): HostArray {
  const axes = shape.map((_, axis) => axis).sort((a, b) => stride[b]! - stride[a]! || a - b);
  const stored = make(axes.map((axis) => shape[axis]!));
  return transposed(
    stored,
    shape.map((_, axis) => axes.indexOf(axis)),
  );
}

/** Blocks of rows one after the other. */
function joined(parts: readonly HostArray[]): HostArray {
  const [first] = parts as readonly [HostArray];
  if (parts.length === 1) return first;
  const count = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  const all = zeros(first.dtype, [count, ...first.shape.slice(1)]);
  let at = 0;
  for (const { data } of parts) {
    all.data.set(data as never, at); // all of one dtype
    at += data.length;
  }
  return all;
}

/** What the metadata of an array say. */
interface Description {
  readonly shape: readonly number[];
  /** Rows that files of chunks share. */
  readonly gridRows: number;
  /** Whether numbers have half precision, which not every Node knows: they are then read by their 16 bits. */
  readonly isHalf: boolean;
}

/** @throws DataError unless the folder holds an array of real numbers */
async function describeArray(store: FolderStore): Promise<Description> {
  const fail = (expected: string, found: unknown, remedy: string) =>
    new DataError(`${store.root}: expected ${expected}, found ${show(found)}. ${remedy}`);
  const metadata = (await readJson(store, "/zarr.json")) ?? (await readJson(store, "/.zarray"));
  if (!metadata || metadata.node_type === "group") throw await noArray(store.root);
  const grid = isRecord(metadata.chunk_grid) ? metadata.chunk_grid.configuration : undefined;
  const [shape, chunks] = [metadata.shape, isRecord(grid) ? grid.chunk_shape : metadata.chunks];
  if (!isSizes(shape) || !isSizes(chunks) || shape.length !== chunks.length || !isBearable(shape.slice(1)))
    throw fail(`rows of at most ${MOST_NUMBERS} numbers, in chunks`, [shape, chunks], "Write it again.");
  const stated = metadata.data_type ?? metadata.dtype;
  const type = typeof stated === "string" ? (numberType(stated) ?? parseNumberType(stated)) : undefined;
  if (!type) throw fail(NUMBERS, stated, 'Convert it first, e.g. array.astype("<f8").');
  if (type.isComplex)
    throw fail("real numbers", stated, "Write both parts, e.g. numpy.stack([a.real, a.imag], axis=1).");
  return { shape, gridRows: chunks[0] ?? 1, isHalf: type.name === "float16" };
}

async function noArray(path: string): Promise<DataError> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return new DataError(
    `${path}: expected a Zarr array, found a folder with ${names.join(", ") || "none"}. Give the path of an array, such as store.zarr/y.`,
  );
}

/** A folder as a store that tells whether files of chunks were there. */
function watchedStore(folder: FolderStore, isHalf: boolean) {
  const state = { hasFound: false };
  const noting = (bytes: Uint8Array | undefined) => {
    state.hasFound ||= bytes !== undefined;
    return bytes;
  };
  return {
    state,
    get: async (key: string) => {
      const bytes = await folder.get(key);
      if (!METADATA.includes(key)) return noting(bytes);
      return bytes && isHalf ? asBits(bytes) : bytes;
    },
    getRange: async (key: string, range: ByteRange) => noting(await readRange(join(folder.root, key), range)),
  };
}

const METADATA = ["/zarr.json", "/.zarray", "/.zattrs"];

/** Metadata of half-precision numbers as those of their bits; the fill value may be 0 or not a number. */
function asBits(bytes: Uint8Array): Uint8Array {
  const metadata = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const fill = metadata.fill_value === "NaN" ? HALF_NAN : 0;
  const type =
    metadata.dtype === undefined
      ? { data_type: "uint16" }
      : { dtype: `${metadata.dtype}`.replace("f2", "u2") };
  return new TextEncoder().encode(JSON.stringify({ ...metadata, ...type, fill_value: fill }));
}

const HALF_NAN = 0x7e00;
