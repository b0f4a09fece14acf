/** Observations on disk: a Zarr v3 group that Python's zarr reads and writes without diem. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type HostArray, hostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { expectRegular, readFailure } from "../../core/files.ts";
import { sizeOf } from "../../core/shape.ts";
import { codeSpecs } from "../../operators/code.ts";
import type { OperatorFamily } from "../../operators/operator.ts";
import { repeated } from "../arrays/array-rows.ts";
import { packedBytes, unpackBits } from "../arrays/mask-bits.ts";
import { openRows } from "../arrays/zarr-rows.ts";
import { FolderStore, readGroupAttributes, readJson } from "../arrays/zarr-store.ts";
import { checkBatch, checkNoiseFactor, type ObservationBatch } from "./observation-check.ts";
import { type ObservationHeader, parseObservationHeader } from "./observation-header.ts";
import type { ObservationKind } from "./observation-kind.ts";
import { type CodeOptions, loadFamily } from "./operator-code.ts";

export type { ObservationBatch } from "./observation-check.ts";
export type { NewObservationHeader, ObservationHeader } from "./observation-header.ts";
export { type ObservationKind, observationKind } from "./observation-kind.ts";
export { createObservations, type ObservationWriter } from "./observation-writer.ts";

/** What draws read: observations of one kind. */
export type ObservationSource = ObservationKind & Pick<Observations, "read">;

/** A folder of observations. */
export interface Observations extends ObservationKind {
  readonly path: string;
  /** Number of observations. */
  readonly count: number;
  /** Reads and checks observations [start, end). @throws DataError if the range is outside, or an observation is wrong */
  read(start: number, end: number): Promise<ObservationBatch>;
  /** SHA-256 over names, sizes and bytes of the metadata and every chunk, 64 hexadecimal digits. @throws DataError */
  checksum(): Promise<string>;
}

/**
 * Opens a folder of observations. It checks the header, the shapes and that every chunk is there; `read` checks the values.
 *
 *   attribute diem   the header
 *   y                float32 [n, ...observationShape]
 *   masks            uint8 [n, ceil(size(shape) / 8)], numpy.packbits(mask.reshape(n, -1), axis=-1)
 *   other data       float32 [n, ...shape]
 *   noise_variance   float32 [n, ...observationShape], if the header's noiseVariance is "array"
 *   noise_factor     float32 [...observationShape, noiseRank], if the header has a noiseRank
 *
 * The family of the operator gives names and shapes of masks and other data; a first axis of 1 means that all observations share
 * them.
 * @throws DataError if the folder is missing, damaged or of another version, or an array has another shape or dtype
 * @throws DataError if the file of an operator changed, is no operator, is not linear, or is a module without `allowModules`
 */
export async function openObservations(path: string, options: CodeOptions = {}): Promise<Observations> {
  await requireFolder(path);
  const store = new FolderStore(path);
  const header = parseObservationHeader((await readGroupAttributes(store)).diem, path);
  const count = await countRows(store);
  // Before anything is made that the header alone calls for.
  const y = (await openRows(store, "y", "float32", [count, ...header.observationShape])).read;
  const family = await loadFamily(header, path, options);
  const noiseFactor = await readNoiseFactor(store, header);
  const columns = await openColumns(store, header, family, count, y);
  const isShared = header.noiseVariance !== "array" && columns.data.every((column) => column.isShared);
  const kind = { header, family, isShared, ...(noiseFactor && { noiseFactor }) };
  return {
    ...kind,
    path,
    count,
    async read(start, end) {
      if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > count || start >= end)
        throw new DataError(
          `${path}: expected a range within [0, ${count}], found [${start}, ${end}]. Correct the range.`,
        );
      const batch = await readBatch(columns, family, start, end);
      checkBatch(batch, kind, start, path);
      return batch;
    },
    checksum: () => checksumFolder(path, columnNames(kind)),
  };
}

type ReadRows = (start: number, end: number) => Promise<Float32Array>;

/** Data of the operator, and whether all observations share it. */
interface Column {
  readonly name: string;
  readonly read: ReadRows;
  readonly isShared: boolean;
}

interface Columns {
  readonly y: ReadRows;
  readonly data: readonly Column[];
  readonly noiseVariance: ReadRows | undefined;
}

async function openColumns(
  store: FolderStore,
  header: ObservationHeader,
  family: OperatorFamily,
  count: number,
  y: ReadRows,
): Promise<Columns> {
  const plain = async (name: string, shape: readonly number[], n = count): Promise<ReadRows> =>
    (await openRows(store, name, "float32", [n, ...shape])).read;
  const bits = async (name: string, shape: readonly number[], n: number): Promise<ReadRows> => {
    const size = sizeOf(shape);
    const { read } = await openRows(store, name, "uint8", [n, packedBytes(size)]);
    return async (start, end) => unpackBits(await read(start, end), size);
  };
  const ofOperator = async (name: string, shape: readonly number[]): Promise<Column> => {
    const open = name in family.masks ? bits : plain;
    if ((await firstAxis(store, name)) !== 1)
      return { name, read: await open(name, shape, count), isShared: false };
    const read = await open(name, shape, 1);
    let row: Promise<Float32Array> | undefined; // read once, not for every batch
    const readAll: ReadRows = async (start, end) => {
      row ??= read(0, 1);
      return repeated(await row, end - start);
    };
    return { name, read: readAll, isShared: true };
  };
  const data: Column[] = [];
  for (const [name, shape] of Object.entries(family.data)) data.push(await ofOperator(name, shape));
  const hasNoise = header.noiseVariance === "array";
  return {
    y,
    data,
    noiseVariance: hasNoise ? await plain("noise_variance", header.observationShape) : undefined,
  };
}

async function readNoiseFactor(
  store: FolderStore,
  header: ObservationHeader,
): Promise<HostArray<"float32"> | undefined> {
  if (header.noiseRank === undefined) return undefined;
  const shape = [...header.observationShape, header.noiseRank];
  const { read } = await openRows(store, "noise_factor", "float32", shape);
  const factor = hostArray("float32", shape, await read(0, shape[0]!));
  checkNoiseFactor(factor, header, store.root);
  return factor;
}

async function readBatch(
  columns: Columns,
  family: OperatorFamily,
  start: number,
  end: number,
): Promise<ObservationBatch> {
  const n = end - start;
  const y = hostArray("float32", [n, ...family.observationShape], await columns.y(start, end));
  const data: Record<string, HostArray<"float32">> = {};
  for (const { name, read } of columns.data)
    data[name] = hostArray("float32", [n, ...family.data[name]!], await read(start, end));
  if (columns.noiseVariance === undefined) return { y, data };
  return { y, data, noiseVariance: hostArray("float32", y.shape, await columns.noiseVariance(start, end)) };
}

/** The first axis of y says how many observations there are; `openRows` checks the rest of its shape. */
async function countRows(store: FolderStore): Promise<number> {
  const count = (await firstAxis(store, "y")) ?? 1;
  if (!Number.isSafeInteger(count) || (count as number) < 1)
    throw new DataError(
      `${store.root}: expected at least one observation, found ${JSON.stringify(count)}. Write some.`,
    );
  return count as number;
}

/** Size of an array's first axis as its metadata have it; undefined if they have none. */
async function firstAxis(store: FolderStore, name: string): Promise<unknown> {
  const shape = (await readJson(store, `/${name}/zarr.json`))?.shape;
  return Array.isArray(shape) ? shape[0] : undefined;
}

async function requireFolder(path: string): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    throw readFailure(path, "a folder of observations", error);
  });
  if (!stats.isDirectory())
    throw new DataError(
      `${path}: expected a folder of observations, found a file. Give the path of the folder.`,
    );
}

/** Arrays of a folder of observations. */
function columnNames({ header, family }: ObservationKind): string[] {
  return [
    "y",
    ...Object.keys(family.data),
    ...(header.noiseVariance === "array" ? ["noise_variance"] : []),
    ...(header.noiseRank ? ["noise_factor"] : []),
  ];
}

/** Files that make up a folder of observations, relative to it; others may lie beside them. @throws DataError */
export async function filesOfObservations(observations: Observations): Promise<string[]> {
  const { path, header } = observations;
  try {
    const arrays: string[] = [];
    for (const name of columnNames(observations)) arrays.push(...(await filesBelow(path, name)));
    const code = codeSpecs(header.operator, path).map((spec) => spec.path);
    return ["zarr.json", ...arrays, ...new Set(code)];
  } catch (error) {
    throw readFailure(path, "a folder of observations", error);
  }
}

/** Names and sizes enter the hash, so that bytes cannot move from one file to the next unnoticed. */
async function checksumFolder(path: string, names: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  try {
    const files = ["zarr.json"];
    for (const name of names) files.push(...(await filesBelow(path, name)));
    for (const file of files.sort()) {
      await expectRegular(join(path, file));
      const { size } = await stat(join(path, file));
      hash.update(`${file}\0${size}\0`);
      for await (const piece of createReadStream(join(path, file))) hash.update(piece);
    }
  } catch (error) {
    throw readFailure(path, "a folder of observations", error);
  }
  return hash.digest("hex");
}

/** Without hidden ones, which are no part of an array: desktops leave them. */
async function filesBelow(root: string, folder: string): Promise<string[]> {
  const found = await readdir(join(root, folder), { withFileTypes: true });
  const entries = found.filter(({ name }) => !name.startsWith("."));
  const nested = await Promise.all(
    entries.map((entry) => {
      const name = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(root, name) : [name];
    }),
  );
  return nested.flat();
}
