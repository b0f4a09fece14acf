/** A folder as the store behind Zarr arrays, with errors that a user can read. */

import { mkdir, open, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { expectRegular, readFailure, readRegular, writeFailure } from "../../core/files.ts";
import { isRecord, parseJson, show } from "../../core/json.ts";

/** Files of metadata in Zarr's older format. */
export const VERSION_2 = [".zgroup", ".zarray", ".zattrs", ".zmetadata"] as const;

/** A folder as zarrita's store: keys are absolute paths below it. */
export class FolderStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** The file behind a key, or undefined. @throws DataError if it cannot be read */
  async get(key: string): Promise<Uint8Array | undefined> {
    const path = join(this.root, key);
    try {
      return await readRegular(path);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw readFailure(path, "a file of observations", error);
    }
  }

  /** Writes and flushes one file. @throws DataError if the disk refuses */
  async set(key: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.root, key);
    try {
      await mkdir(dirname(path), { recursive: true });
      const handle = await open(path, "w");
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw writeFailure(path, error);
    }
  }

  /** Bytes of the file behind a key, or undefined. */
  async size(key: string): Promise<number | undefined> {
    const stats = await stat(join(this.root, key)).catch(() => undefined);
    return stats?.isFile() ? stats.size : undefined;
  }
}

/** Bytes from an offset on, or the last ones. */
export type ByteRange =
  | { readonly offset: number; readonly length: number }
  | { readonly suffixLength: number };

/** A part of a file, as shards are read, or undefined if there is none. @throws DataError if it cannot be read */
export async function readRange(path: string, range: ByteRange): Promise<Uint8Array | undefined> {
  try {
    await expectRegular(path);
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      const start = "offset" in range ? range.offset : Math.max(0, size - range.suffixLength);
      const wanted = "offset" in range ? range.length : range.suffixLength;
      const bytes = new Uint8Array(Math.max(0, Math.min(wanted, size - start)));
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      return bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw readFailure(path, "a file of an array", error);
  }
}

/** The attributes of the group in a folder. @throws DataError if there is no readable group */
export async function readGroupAttributes(store: FolderStore): Promise<Readonly<Record<string, unknown>>> {
  const metadata = await readJson(store, "/zarr.json");
  if (metadata === undefined) await refuseVersion2(store, "");
  if (metadata === undefined || metadata === null)
    throw new DataError(
      `${store.root}: expected a folder of observations with zarr.json, found ${metadata === null ? "a damaged one" : "none"}. Check the path, or write the folder again.`,
    );
  if (metadata.zarr_format !== 3 || metadata.node_type !== "group")
    throw new DataError(
      `${store.root}: expected a Zarr group of format 3, found ${show(metadata.node_type)} of format ${show(metadata.zarr_format)}. Write it with zarr >= 3.`,
    );
  return isRecord(metadata.attributes) ? metadata.attributes : {};
}

/**
 * Names what Zarr's older format leaves in place of zarr.json.
 * @param name of an array, or "" for the group        @throws DataError if it is there
 */
export async function refuseVersion2(store: FolderStore, name: string): Promise<void> {
  for (const file of VERSION_2)
    if ((await store.size(`/${name}/${file}`)) !== undefined)
      throw new DataError(
        `${join(store.root, name)}: expected Zarr v3, found Zarr v2 (${file}). Write it with zarr >= 3: zarr.open_group(path, mode="w", zarr_format=3).`,
      );
}

/** The JSON object behind a key. @returns undefined if there is no file, null if it holds something else */
export async function readJson(
  store: FolderStore,
  key: string,
): Promise<Readonly<Record<string, unknown>> | null | undefined> {
  const bytes = await store.get(key);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = parseJson(new TextDecoder().decode(bytes));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
