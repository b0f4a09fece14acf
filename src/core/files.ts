/** Files that are either whole or absent: the one core file that needs Node. */

import { createHash, randomUUID } from "node:crypto";
import {
  createReadStream,
  existsSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DataError } from "./errors.ts";

/** What `writeFileAtomic` accepts: everything at once, or pieces as they come. */
export type FileContent =
  | Uint8Array
  | string
  | Iterable<Uint8Array | string>
  | AsyncIterable<Uint8Array | string>;

/** A file under construction. Nothing exists under its final name before `commit`. */
export interface AtomicFile {
  /** Appends bytes, or text as UTF-8. @throws DataError if the disk refuses; the temporary file is then gone */
  write(bytes: Uint8Array | string): Promise<void>;
  /** Flushes to the disk and gives the file its name, replacing an older one. @throws DataError */
  commit(): Promise<void>;
  /** Removes the temporary file; does nothing after `commit`. */
  abort(): Promise<void>;
}

const TEMPORARY = /^\.(.+)\.(\d+)\.[0-9a-f]{8}\.tmp$/;

/** Temporaries of this process: a container may give the same process id to every run, so the id alone is not enough. */
const alive = new Set<string>();

/** A new hidden name beside `path`, that `removeStaleTemporaries` recognizes. Call `releaseTemporary` when it is gone. */
export function temporaryBeside(path: string): string {
  const name = `.${basename(path)}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`;
  alive.add(name);
  return join(dirname(path), name);
}

/** Whether a file is named as by `temporaryBeside`. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Forgets a name made by `temporaryBeside`. */
export function releaseTemporary(temporary: string): void {
  alive.delete(basename(temporary));
}

/** Opens a file that appears under `path` only when it is complete. @throws DataError if the folder cannot be written */
export async function openAtomic(path: string): Promise<AtomicFile> {
  const temporary = temporaryBeside(path);
  let handle: FileHandle | undefined;
  const abort = async () => {
    await handle?.close().catch(() => undefined);
    handle = undefined;
    if (alive.has(basename(temporary))) await rm(temporary, { force: true }).catch(() => undefined);
    releaseTemporary(temporary);
  };
  const guarded = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      await abort();
      throw writeFailure(path, error);
    }
  };
  const opened = () => {
    if (handle === undefined) throw new DataError(`${path}: already closed. Open it again to write.`);
    return handle;
  };
  await removeLeftovers(path);
  await guarded(async () => {
    handle = await open(temporary, "wx");
  });
  return {
    write: (bytes) => guarded(() => opened().writeFile(bytes)),
    commit: () =>
      guarded(async () => {
        await opened().sync();
        await opened().close();
        handle = undefined;
        await rename(temporary, path);
        releaseTemporary(temporary);
        await syncFolder(dirname(path));
      }),
    abort,
  };
}

/**
 * Writes a file so that a kill at any moment leaves the old content or the new, never a part:
 * temporary file in the same folder, write, fsync, rename, fsync of the folder.
 * @throws DataError if the disk is full, read-only or forbidden, or the folder is missing. An error thrown
 *   by the content's iterator passes through unchanged. Either way no temporary file stays behind.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const file = await openAtomic(path);
  try {
    if (typeof content === "string" || content instanceof Uint8Array) await file.write(content);
    else for await (const piece of content) await file.write(piece);
  } catch (error) {
    await file.abort();
    throw error;
  }
  await file.commit();
}

/**
 * Writes a small file at once, so that readers find the old content or the new; but it is not flushed, so a power cut may leave
 * neither. Throws the system's own error; no temporary file stays behind.
 */
export function replaceFile(path: string, content: string): void {
  const temporary = temporaryBeside(path);
  try {
    writeFileSync(temporary, content, { flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    releaseTemporary(temporary);
  }
}

/**
 * The bytes of a file.
 * @param what what the file should hold, for the message: "weights", "a .npy array"
 * @throws DataError if it is missing, a folder, a pipe, a device, or unreadable
 */
export async function readFileOrFail(path: string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readRegular(path);
  } catch (error) {
    throw readFailure(path, what, error);
  }
}

/** As `readFileOrFail`, but throws the system's own error. */
export async function readRegular(path: string): Promise<Uint8Array<ArrayBuffer>> {
  await expectRegular(path);
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    return await readAll(handle, size);
  } finally {
    await handle.close();
  }
}

/**
 * Looks before a path is opened: to open a pipe waits for whoever may write to it, and a device has no end.
 * @throws an error as the system's, for `readFailure`
 */
export async function expectRegular(path: string): Promise<void> {
  refuseIrregular(await stat(path));
}

/** As `expectRegular`. */
export function expectRegularSync(path: string): void {
  refuseIrregular(statSync(path));
}

function refuseIrregular(found: Stats): void {
  if (found.isFile()) return;
  const code = found.isDirectory() ? "EISDIR" : IRREGULAR;
  throw Object.assign(new Error(`${code}: no regular file`), { code, syscall: "stat" });
}

/**
 * SHA-256 as 64 hexadecimal digits, of a file (streamed) or of bytes.
 * @throws DataError if the file cannot be read
 */
export async function checksum(source: string | Uint8Array): Promise<string> {
  const hash = createHash("sha256");
  if (typeof source !== "string") return hash.update(source).digest("hex");
  try {
    await expectRegular(source);
    for await (const piece of createReadStream(source)) hash.update(piece);
  } catch (error) {
    throw readFailure(source, "a file", error);
  }
  return hash.digest("hex");
}

/**
 * Removes what killed processes left in a folder (not below it): temporaries whose process is gone.
 * @returns the names removed        @throws DataError if the folder cannot be read or changed
 */
export async function removeStaleTemporaries(folder: string): Promise<string[]> {
  return await removeStale(folder, () => true);
}

/** Paths whose leftovers were looked for: one process leaves none to itself. */
const cleared = new Set<string>();

/** Removes what killed processes left of a file or folder that they were writing under `path`. */
export async function removeLeftovers(path: string): Promise<void> {
  const full = resolve(path);
  if (cleared.has(full)) return;
  cleared.add(full);
  // Where nothing can be read or removed, writing will tell.
  await removeStale(dirname(full), (name) => name === basename(full)).catch(() => undefined);
}

/** @param isMeant told the name that a temporary was to get */
async function removeStale(folder: string, isMeant: (name: string) => boolean): Promise<string[]> {
  const removed: string[] = [];
  try {
    for (const name of await readdir(folder)) {
      const [, meant, owner] = TEMPORARY.exec(name) ?? [];
      if (meant === undefined || !isMeant(meant) || isInUse(name, Number(owner))) continue;
      await rm(join(folder, name), { recursive: true, force: true });
      removed.push(name);
    }
  } catch (error) {
    throw readFailure(folder, "a folder", error);
  }
  return removed;
}

/**
 * Makes a folder, and those above it that are missing; one that exists stays as it is. Node's own recursive `mkdir` does
 * not return below /proc, which answers that an existing parent is missing.
 * @throws DataError if the disk refuses
 */
export async function makeFolder(path: string): Promise<void> {
  const parent = dirname(resolve(path));
  if (!existsSync(parent)) await makeFolder(parent);
  try {
    await mkdir(path);
  } catch (error) {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isDirectory()) throw writeFailure(path, error);
  }
}

/** A path without links, as far as it exists. */
export async function withoutLinks(path: string): Promise<string> {
  const full = resolve(path);
  const parent = dirname(full);
  if (parent === full) return full;
  return await realpath(full).catch(async () => join(await withoutLinks(parent), basename(full)));
}

/**
 * Makes a rename inside the folder survive a power cut. Windows cannot open folders and needs no such call; some file
 * systems (CIFS, FUSE) have none, and where a folder may be written but not read it cannot be made: the rename counts.
 */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!NO_SYNC.includes(systemCode(error) ?? "")) throw error;
  }
}

/** Answers of file systems that cannot flush a folder. */
const NO_SYNC = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EBADF", "EACCES", "EPERM"];

/** The DataError for a failed write to `path`; anything that is not a system error is returned unchanged. */
export function writeFailure(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  return new DataError(`${path}: ${WRITE_REASONS[code] ?? `cannot be written (${code}).`} ${KEPT}`, {
    cause: error,
  });
}

/** The DataError for a failed read of `path`; anything that is not a system error is returned unchanged. */
export function readFailure(path: string, what: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  const reason = READ_REASONS[code] ?? `found something unreadable (${code}). Check the disk.`;
  return new DataError(`${path}: expected ${what}, ${reason}`, { cause: error });
}

/** The DataError for what the system refused in a place that expected no refusal; anything else is returned unchanged. */
export function systemFailure(error: unknown): unknown {
  if (error instanceof RangeError && NO_ROOM.test(error.message))
    return new DataError(
      `memory: expected room for another array, found none (${error.message}). Divide the data or choose smaller sizes.`,
      { cause: error },
    );
  const { path, syscall } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  return readFailure(path ?? syscall ?? "the system", "access to it", error);
}

/** What the engine of JavaScript says of an array that it cannot make. */
const NO_ROOM = /^Array buffer allocation failed|^Invalid typed array length: \d{9,}/;

const KEPT = "Nothing already written was lost.";

const FULL = "expected room on the disk, found it full. Free some space and run again.";
const FORBIDDEN =
  "expected permission to write, found none. Choose another folder or change its permissions.";
const WRITE_REASONS: Readonly<Record<string, string>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EROFS: "expected a writable disk, found it read-only. Choose another folder.",
  ENOENT: "expected its folder to exist, found none. Create the folder first.",
  ENOTDIR: "expected its parent to be a folder, found a file. Choose another folder.",
  EISDIR: "expected a file, found a folder of that name. Choose another name.",
  ENOTEMPTY: "expected no such folder, found one. Remove it or choose another name.",
  EEXIST: "expected no such name, found one. Remove it or choose another name.",
  ENAMETOOLONG: "expected a shorter name. Choose another one.",
  EMFILE:
    "expected to open another file, found too many open. Raise the limit (ulimit -n), or close other programs.",
};
/** What is neither a file nor a folder; no code of the system's. */
const IRREGULAR = "EIRREGULAR";
const OPEN_FILES = "found too many files open. Raise the limit (ulimit -n), or close other programs.";
const READ_REASONS: Readonly<Record<string, string>> = {
  [IRREGULAR]: "found a pipe or a device. Give the path of a file.",
  EMFILE: OPEN_FILES,
  ENFILE: OPEN_FILES,
  ENOENT: "found nothing. Check the path.",
  ENOTDIR: "found a file where the path needs a folder. Check the path.",
  EISDIR: "found a folder. Give the path of a file.",
  EACCES: "found no permission to read it. Change its permissions.",
  EPERM: "found no permission to read it. Change its permissions.",
};

async function readAll(handle: FileHandle, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, Math.min(size - filled, 2 ** 30), filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === size ? bytes : bytes.subarray(0, filled);
}

function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("syscall" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function isInUse(name: string, owner: number): boolean {
  if (owner === process.pid) return alive.has(name);
  try {
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}
