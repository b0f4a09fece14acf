/**
 * Zarr v3 arrays of observations, read strictly: a chunk that is missing or short is an error, where Zarr itself would
 * quietly put the fill value.
 */

import { join } from "node:path";
import * as zarr from "zarrita";
import { DataError, DiemError } from "../../core/errors.ts";
import { isRecord, show } from "../../core/json.ts";
import { isBearable, MOST_NUMBERS } from "../../core/limits.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../../core/shape.ts";
import { boundCodecs } from "./zarr-codecs.ts";
import { type FolderStore, readJson, refuseVersion2 } from "./zarr-store.ts";

/** Dtypes that observations use. */
export type StoredDType = "float32" | "uint8";

/** Elements as they lie in memory. */
export type StoredData = { float32: Float32Array; uint8: Uint8Array };

/** An array of which rows of axis 0 are read. */
export interface ZarrRows<T extends StoredDType> {
  readonly shape: readonly number[];
  /** Elements of rows [start, end), row-major, freshly allocated. @throws DataError if a chunk is missing or damaged */
  read(start: number, end: number): Promise<StoredData[T]>;
}

const BYTES = { float32: 4, uint8: 1 } as const;

/** Codecs that keep C order and that zarrita decodes; sharding would hide a missing chunk inside a file. */
const CODECS = ["bytes", "gzip", "zlib", "zstd", "blosc", "lz4", "crc32c"].flatMap((name) => [
  name,
  `numcodecs.${name}`,
]);

/**
 * Opens one array and checks dtype, shape and that every chunk is there.
 * @throws DataError naming the array
 */
export async function openRows<T extends StoredDType>(
  store: FolderStore,
  name: string,
  dtype: T,
  shape: Shape,
): Promise<ZarrRows<T>> {
  const where = join(store.root, name);
  const metadata = await readArrayMetadata(store, name, where);
  if (metadata.data_type !== dtype)
    throw new DataError(
      `${where}: expected dtype ${dtype}, found ${show(metadata.data_type)}. Convert it first, e.g. array.astype("${dtype}").`,
    );
  const found = metadata.shape;
  if (!isSizes(found) || !sameShape(found, shape))
    throw new DataError(`${where}: expected shape ${formatShape(shape)}, found ${show(found)}. Reshape it.`);
  const grid = parseGrid(metadata, shape, where);
  boundCodecs();
  await checkChunkFiles(store, name, grid, shape, BYTES[dtype], where);
  const array = await damagedIfFails(where, async () => {
    const raw = await zarr.open.v3(zarr.root(store).resolve(name), { kind: "array" });
    return zarr.extendArray(raw, strictChunks(where, sizeOf(grid.chunkShape)));
  });
  return {
    shape,
    read: (start, end) =>
      damagedIfFails(where, async () => {
        const everything = shape.slice(1).map(() => null);
        const part = await zarr.get(array, [zarr.slice(start, end), ...everything]);
        // dtype was compared with the metadata above; zarrita's type parameter cannot know.
        return part.data as unknown as StoredData[T];
      }),
  };
}

/** Creates an empty uncompressed array, chunked along axis 0 only. @returns a function that writes rows [start, end) */
export async function createRows<T extends StoredDType>(
  store: FolderStore,
  name: string,
  dtype: T,
  shape: Shape,
  chunkRows: number,
): Promise<(start: number, data: StoredData[T]) => Promise<void>> {
  const array = await zarr.create(zarr.root(store).resolve(name), {
    shape: [...shape],
    chunkShape: [chunkRows, ...shape.slice(1)],
    dtype: dtype as StoredDType,
    codecs: [{ name: "bytes", configuration: { endian: "little" } }],
    fillValue: 0,
  });
  const rowShape = shape.slice(1);
  const width = sizeOf(rowShape);
  return async (start, data) => {
    const part = [data.length / width, ...rowShape];
    const everything = rowShape.map(() => null);
    await zarr.set(array, [zarr.slice(start, start + part[0]!), ...everything], {
      data,
      shape: part,
      stride: zarr._zarrita_internal_getStrides(part, "C"),
    });
  };
}

interface Grid {
  readonly chunkShape: readonly number[];
  readonly fileOf: (chunk: readonly number[]) => string;
  readonly compressed: boolean;
}

async function readArrayMetadata(
  store: FolderStore,
  name: string,
  where: string,
): Promise<Readonly<Record<string, unknown>>> {
  const metadata = await readJson(store, `/${name}/zarr.json`);
  if (metadata === undefined) await refuseVersion2(store, name);
  if (metadata === undefined)
    throw new DataError(`${where}: expected an array in the group, found none. Write it.`);
  if (metadata === null || metadata.zarr_format !== 3 || metadata.node_type !== "array")
    throw new DataError(
      `${where}: expected the metadata of a Zarr v3 array, found something else. Write it again with zarr >= 3.`,
    );
  return metadata;
}

function parseGrid(metadata: Readonly<Record<string, unknown>>, shape: Shape, where: string): Grid {
  const { chunk_grid: grid, chunk_key_encoding: keys, codecs } = metadata;
  const chunkShape =
    isRecord(grid) && isRecord(grid.configuration) ? grid.configuration.chunk_shape : undefined;
  if (!isSizes(chunkShape) || chunkShape.length !== shape.length || sizeOf(chunkShape) >= 2 ** 31)
    throw new DataError(
      `${where}: expected a chunk shape of ${shape.length} positive sizes, found ${show(chunkShape)}. Write it again.`,
    );
  const names = Array.isArray(codecs)
    ? codecs.map((codec) => (isRecord(codec) ? `${codec.name}` : "nothing"))
    : [];
  const unknown = names.find((codec) => !CODECS.includes(codec));
  if (names.length === 0 || unknown !== undefined)
    throw new DataError(
      `${where}: expected codecs bytes, gzip, zstd, blosc or lz4, found ${unknown ?? "none"}. Write it without ${unknown ?? "errors"}.`,
    );
  const encoding = isRecord(keys) ? keys.name : undefined;
  const configuration = isRecord(keys) && isRecord(keys.configuration) ? keys.configuration : {};
  const separator = configuration.separator ?? (encoding === "v2" ? "." : "/");
  if ((encoding !== "default" && encoding !== "v2") || (separator !== "/" && separator !== "."))
    throw new DataError(
      `${where}: expected chunk keys "default" or "v2", found ${show(keys)}. Write it again.`,
    );
  const prefix = encoding === "default" ? ["c"] : [];
  const compressed = names.length > 1;
  if (compressed && !isBearable(chunkShape))
    throw new DataError(
      `${where}: expected compressed chunks of at most ${MOST_NUMBERS} numbers, found ${formatShape(chunkShape)}. Write it in smaller chunks.`,
    );
  return { chunkShape, fileOf: (chunk) => [...prefix, ...chunk].join(separator), compressed };
}

/** Looks at the size of every chunk now: an error after hours of sampling would be worse than a thousand stats. */
async function checkChunkFiles(
  store: FolderStore,
  name: string,
  { chunkShape, fileOf, compressed }: Grid,
  shape: Shape,
  width: number,
  where: string,
): Promise<void> {
  const counts = shape.map((size, axis) => Math.ceil(size / chunkShape[axis]!));
  const expected = sizeOf(chunkShape) * width;
  for (let flat = 0; flat < sizeOf(counts); flat++) {
    let rest = flat;
    const chunk = counts.map(() => 0);
    for (let axis = counts.length - 1; axis >= 0; axis--) {
      chunk[axis] = rest % counts[axis]!;
      rest = Math.floor(rest / counts[axis]!);
    }
    const size = await store.size(`/${name}/${fileOf(chunk)}`);
    const first = chunk[0]! * chunkShape[0]!;
    const rows = `chunk ${fileOf(chunk)} of observations ${first} to ${Math.min(first + chunkShape[0]!, shape[0]!) - 1}`;
    if (size === undefined)
      throw new DataError(
        `${where}: expected ${rows}, found no file. Copy the folder again; in Python, write with config={"write_empty_chunks": True}.`,
      );
    if (compressed ? size === 0 : size !== expected)
      throw new DataError(
        `${where}: expected ${compressed ? "some" : expected} bytes in ${rows}, found ${size}. Copy or write the folder again.`,
      );
  }
}

/** Refuses short chunks, and keeps the last chunk: batches smaller than a chunk would decode it again and again. */
export function strictChunks(where: string, elements: number) {
  return zarr.defineArrayExtension((inner) => {
    let last: { key: string; chunk: Awaited<ReturnType<typeof inner.getChunk>> } | undefined;
    return {
      async getChunk(coordinates, options, more) {
        const key = coordinates.join();
        if (last?.key === key) return last.chunk;
        const bytes = await inner.getChunk(coordinates, options, more);
        const found = (bytes.data as { length: number }).length;
        if (found !== elements)
          throw new DataError(
            `${where}: expected ${elements} elements in chunk ${key}, found ${found}. Copy or write the folder again.`,
          );
        last = { key, chunk: bytes };
        return bytes;
      },
    };
  });
}

/** zarrita and the decompressors throw errors of many kinds at damaged files. */
export async function damagedIfFails<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof DiemError) throw cause;
    const why = reasons(cause).join(": ");
    throw new DataError(
      `${where}: expected a readable Zarr array, found a damaged one (${why}). Copy or write the folder again.`,
      { cause },
    );
  }
}

/** What an error and those behind it say: zarrita wraps those of the decompressors. */
function reasons(error: unknown): string[] {
  const [first = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return error instanceof Error && error.cause ? [first, ...reasons(error.cause)] : [first];
}

/** Whether a value is a list of positive integers. */
export function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size > 0);
}
