/**
 * HDF5 files. The library runs in a file system of its own, which holds the volume at hand and nothing of this machine:
 * external storage and links to other files find nothing there.
 */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { Dataset, File } from "h5wasm";
import { DataError, DiemError } from "../../core/errors.ts";
import { readFailure } from "../../core/files.ts";
import { loadWebAssembly, withinMemory } from "../wasm-memory.ts";
import { collectionSize, isWalkable } from "./global-heap.ts";

/** One HDF5 file. No handle of the system stays open between reads. */
export interface Hdf5File {
  /** A dataset by its path. @throws DataError if there is none of that name in this very file */
  dataset(name: string): Dataset;
  /** Attributes of the file by name. @throws DataError */
  attributes(): Record<string, unknown>;
  /**
   * What `work` gives, or the library's complaint.
   * @param what is read, for messages        @param most bytes that the library may take for it, beside a few megabytes
   * @throws DataError
   */
  guarded<T>(what: string, work: () => T, most?: number): T;
  /** Forgets the file. */
  close(): void;
}

/** Opens a file, independently of any other of that path. @throws DataError if it is missing or no HDF5 file */
export async function openHdf5(path: string): Promise<Hdf5File> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile())
    throw new DataError(
      `${path}: expected an HDF5 file, found ${found ? "something else" : "none"}. Check the path.`,
    );
  library ??= loadLibrary();
  const { FileClass, place, watch } = await library;
  const placed = place(path, found.size);
  const guarded = <T>(what: string, work: () => T, most = 0): T => {
    const refusal = () => damaged(path, what, `it unpacks to more than ${most + BESIDE} bytes`);
    return watch(placed.name, path, what, () => withinMemory(most + BESIDE, work, refusal));
  };
  try {
    const opened = guarded("the file", () => new FileClass(placed.name, "r"));
    return {
      guarded,
      close: () => {
        if (placed.isGone()) return;
        // What the library left open after damage keeps it from closing the file, or fails, and loses it a little memory.
        try {
          opened.close();
        } catch {
          // All that was to be read is read.
        }
        placed.remove();
      },
      dataset: (name) => datasetOf(opened, name, path, guarded),
      attributes: () =>
        guarded("attributes", () =>
          Object.fromEntries(Object.entries(opened.attrs).map(([name, { value }]) => [name, value])),
        ),
    };
  } catch (error) {
    placed.remove();
    throw error;
  }
}

function datasetOf(file: File, name: string, path: string, guarded: Hdf5File["guarded"]): Dataset {
  let found: unknown = file;
  let keys: string[] = [];
  for (const part of name.split("/").filter((text) => text !== "")) {
    const group = found as File; // or a group in it
    keys = guarded("the file", () => ("keys" in group ? group.keys() : []));
    found = keys.includes(part) ? guarded(name, () => group.get(part)) : null;
    if (found === null) break;
  }
  if (found === null || !("slice" in (found as object)))
    throw new DataError(
      `${path}: expected a dataset ${name}, found ${keys.join(", ") || "none"}. Choose another dataset, or skip the file.`,
    );
  return found as Dataset;
}

function elsewhere(path: string, what: string, other: string): DataError {
  return new DataError(
    `${path}: ${what}: expected values in the file itself, found a reference to the file ${other}. Copy them into it, e.g. with h5repack, or skip the file.`,
  );
}

/** What of the library's file system is used; the package declares no more than a part of it. */
interface FileSystem {
  MAX_OPEN_FDS: number;
  streams: ({ readonly node: unknown } | null | undefined)[];
  open(path: string, flags: number, mode: number): unknown;
  close(stream: unknown): void;
  unlink(path: string): void;
  createFile(folder: string, name: string, properties: object, readable: boolean, writable: boolean): Node;
  getStream(descriptor: number): { readonly tty: { ops: object } };
  readonly ErrnoError: new (code: number) => Error;
}
interface Node {
  stream_ops: object;
}
type Read = (_: unknown, into: Uint8Array, offset: number, length: number, position: number) => number;

/** Error numbers of the library's own system. */
const [NO_ENTRY, IO_ERROR] = [44, 29];
/** The flag that opens folders. */
const FOLDER = 0o200000;

/** Memory that the library takes for anything, at most. */
const BESIDE = 2 ** 24;

let library: ReturnType<typeof loadLibrary> | undefined;
let loads = 0;

/** Loads the library; a second time in a memory of its own. */
async function loadLibrary() {
  const again = loads++;
  const loaded = await loadWebAssembly("HDF5", async () => {
    const where = again === 0 ? "h5wasm" : `${import.meta.resolve("h5wasm")}?${again}`;
    const { ready, File } = (await import(where)) as typeof import("h5wasm");
    return { File, module: await ready };
  });
  const fs = loaded.module.FS as unknown as FileSystem; // the parts above, as Emscripten has them
  fs.MAX_OPEN_FDS = Number.MAX_SAFE_INTEGER; // numbers in a list, no handles of the system
  const complaints = listen(fs);
  let [current, others] = ["", [] as string[]];
  const open = fs.open;
  fs.open = (name, flags, mode) => {
    if (name === current) return open(name, flags, mode);
    if ((flags & FOLDER) === 0) others.push(name.replace(/^\/+/, "/")); // it looks for a folder of plug-ins
    throw new fs.ErrnoError(NO_ENTRY);
  };
  const watch = <T>(name: string, path: string, what: string, work: () => T): T => {
    [current, others] = [name, []];
    complaints.clear();
    const result = heard(path, what, complaints, work);
    if (others[0] !== undefined) throw elsewhere(path, what, others[0]);
    if (complaints.reason() !== undefined) throw damaged(path, what, complaints.reason()!);
    return result;
  };
  return { FileClass: loaded.File, watch, place: (path: string, size: number) => place(fs, path, size) };
}

/** The library's errors, which it prints: to throw from inside it instead would leave its handles open. */
function listen(fs: FileSystem): Complaints {
  const most = 65536; // a damaged file may cause very many
  let text = "";
  const stderr = fs.getStream(2).tty;
  stderr.ops = {
    ...stderr.ops,
    put_char: (_: unknown, code: number) => {
      if (text.length < most) text += String.fromCharCode(code);
    },
  };
  return {
    clear: () => {
      text = "";
    },
    // The stack of calls ends where it failed: "#005: file.c line 1 in H5F_open(): reason".
    reason: () =>
      text
        .match(/#\d+: .+\(\): .+/g)
        ?.at(-1)
        ?.replace(/^.+?\(\): /, "") ??
      (text || undefined),
  };
}

interface Complaints {
  clear(): void;
  reason(): string | undefined;
}

function heard<T>(path: string, what: string, complaints: Complaints, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DiemError) throw error;
    if (error instanceof Error && error.name === "RuntimeError") library = undefined; // what it did to its memory nobody knows
    const own = error instanceof Error ? error.message : String(error);
    throw damaged(path, what, complaints.reason() ?? own, error);
  }
}

function damaged(path: string, what: string, reason: string, cause?: unknown): DataError {
  return new DataError(
    `${path}: ${what}: expected readable HDF5, found damage (${reason.split("\n")[0]}). Fetch the file again, or skip it.`,
    { cause },
  );
}

let placedFiles = 0;

/** A file under a name that was never used before: the library remembers what it could not close. */
function place(fs: FileSystem, path: string, size: number) {
  const name = `volume-${placedFiles++}`;
  const node = fs.createFile("/", name, {}, true, false);
  Object.defineProperty(node, "usedBytes", { get: () => size });
  const read: Read = (_, into, offset, length, position) => {
    const most = Math.min(length, Math.max(0, size - position));
    try {
      const count = readAt(path, into, offset, most, position);
      refuseEndless(path, into.subarray(offset, offset + count), position, size);
      return count;
    } catch (cause) {
      throw Object.assign(new fs.ErrnoError(IO_ERROR), { cause: readFailure(path, "an HDF5 file", cause) });
    }
  };
  node.stream_ops = { ...node.stream_ops, read };
  let isGone = false;
  const remove = () => {
    isGone = true;
    for (const stream of fs.streams) if (stream?.node === node) fs.close(stream);
    fs.unlink(`/${name}`);
  };
  return { name: `/${name}`, remove, isGone: () => isGone };
}

/** @param bytes that were read at `position` of a file of `size` bytes @throws DataError for a heap that is read for ever */
function refuseEndless(path: string, bytes: Uint8Array, position: number, size: number): void {
  const stated = Math.min(collectionSize(bytes), size - position);
  if (stated === 0) return;
  const collection = new Uint8Array(stated);
  readAt(path, collection, 0, stated, position);
  if (!isWalkable(collection))
    throw damaged(path, "the global heap", "objects that do not end where others begin");
}

function readAt(path: string, into: Uint8Array, offset: number, length: number, position: number): number {
  const descriptor = openSync(path, "r");
  try {
    return readSync(descriptor, into, offset, length, position);
  } finally {
    closeSync(descriptor);
  }
}
