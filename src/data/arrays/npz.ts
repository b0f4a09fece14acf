/**
 * NumPy's .npz archives: zip files of .npy arrays, stored or deflated.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

import { crc32, inflateRawSync } from "node:zlib";
import type { HostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { readFileOrFail } from "../../core/files.ts";
import { type ArrayRows, memoryRows } from "./array-rows.ts";
import { decodeNpy, decodeNpyNumbers } from "./npy.ts";
import { holdsNumbers } from "./npy-header.ts";

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
/** The comment after the end record has at most this many bytes. */
const MAX_COMMENT = 65535;
/** Deflate cannot make more than this many bytes of one. */
const MAX_INFLATION = 1032;
const STORED = 0;
const DEFLATED = 8;

/** An archive whose arrays are unpacked when they are asked for: others do not disturb. */
export interface NpzArchive {
  readonly path: string;
  readonly names: readonly string[];
  /** Whether an array is one of numbers, not of text or objects. @throws DataError if it is damaged */
  holdsNumbers(name: string): boolean;
  /** The array of a name. @throws DataError if it is not there, damaged, or of no real numbers */
  array(name: string): HostArray;
  /** Rows of an array, complex ones as well. @throws DataError likewise */
  rows(name: string): ArrayRows;
}

/** Opens a .npz file. @throws DataError if it is missing or no archive */
export async function openNpz(path: string): Promise<NpzArchive> {
  return archiveOf(await readFileOrFail(path, "a .npz archive"), path);
}

/** Reads the arrays of numbers in a .npz file, by name. @throws DataError if it is missing, damaged, encrypted or beyond 4 GiB */
export async function readNpz(path: string): Promise<Record<string, HostArray>> {
  return decodeNpz(await readFileOrFail(path, "a .npz archive"), path);
}

/**
 * Decodes the arrays of numbers in the bytes of a .npz file, by name. It allocates no more than deflate can make of these bytes,
 * whatever sizes the archive states.
 * @param where named in messages        @throws DataError as `readNpz`
 */
export function decodeNpz(bytes: Uint8Array, where = "decodeNpz"): Record<string, HostArray> {
  const { names, holdsNumbers, array } = archiveOf(bytes, where);
  return Object.fromEntries(names.filter(holdsNumbers).map((name) => [name, array(name)]));
}

function archiveOf(bytes: Uint8Array, where: string): NpzArchive {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = new Map<string, Entry>();
  let packed = 0;
  for (const entry of readDirectory(bytes, view, where)) {
    // Entries may not share bytes, or a small archive could state the same large array many times.
    packed += entry.packedSize;
    if (packed > bytes.byteLength) throw damaged(where, "entries that overlap");
    // macOS adds files of its own to archives that it packs.
    if (entry.name.endsWith(".npy") && !entry.name.startsWith("__MACOSX/"))
      entries.set(entry.name.slice(0, -4), entry);
  }
  const content = (name: string): [bytes: Uint8Array, where: string] => {
    const entry = entries.get(name);
    if (!entry)
      throw new DataError(
        `${where}: expected an array ${name}, found ${[...entries.keys()].join(", ") || "none"}. Add it with numpy.savez.`,
      );
    const inside = `${where}: ${entry.name}`;
    return [unpack(bytes, view, entry, inside), inside];
  };
  return {
    path: where,
    names: [...entries.keys()],
    holdsNumbers: (name) => holdsNumbers(...content(name)),
    array: (name) => decodeNpy(...content(name)),
    rows: (name) => {
      const { array, type } = decodeNpyNumbers(...content(name));
      return { ...memoryRows(array, `${where}: ${name}`), isComplex: type.isComplex };
    },
  };
}

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  /** Where the entry's local header begins. */
  readonly offset: number;
}

/** The central directory at the end of the archive. */
function readDirectory(bytes: Uint8Array, view: DataView, where: string): Entry[] {
  const end = findEnd(view, where);
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    if (at + ENTRY_BYTES > end || view.getUint32(at, true) !== ENTRY_SIGNATURE)
      throw damaged(where, `no entry ${i} of ${count} in its directory`);
    const nameEnd = at + ENTRY_BYTES + view.getUint16(at + 28, true);
    const next = nameEnd + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) throw damaged(where, `a directory that ends within entry ${i}`);
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, nameEnd)),
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packedSize: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    });
    at = next;
  }
  return entries;
}

function findEnd(view: DataView, where: string): number {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT); at--)
    if (view.getUint32(at, true) === END_SIGNATURE) return at;
  throw new DataError(
    `${where}: expected a .npz archive, found other bytes or a truncated file. Write it with numpy.savez.`,
  );
}

/** An entry's bytes, checked against its stated size and CRC-32. */
function unpack(bytes: Uint8Array, view: DataView, entry: Entry, where: string): Uint8Array {
  const { method, flags, packedSize, size, offset } = entry;
  if ((flags & 1) !== 0)
    throw new DataError(`${where}: expected plain bytes, found encrypted ones. Write it with numpy.savez.`);
  if (offset === 0xffffffff || size === 0xffffffff || packedSize === 0xffffffff)
    throw new DataError(`${where}: expected less than 4 GiB, found more. Save the arrays as .npy files.`);
  if (offset + LOCAL_BYTES > bytes.byteLength || view.getUint32(offset, true) !== LOCAL_SIGNATURE)
    throw damaged(where, "no entry where the directory says");
  const start = offset + LOCAL_BYTES + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  if (start + packedSize > bytes.byteLength) throw damaged(where, "an entry that is cut off");
  const packed = bytes.subarray(start, start + packedSize);
  const content = decompress(packed, method, size, where);
  if (content.byteLength !== size) throw damaged(where, `${content.byteLength} bytes instead of ${size}`);
  if (crc32(content) !== entry.crc) throw damaged(where, "bytes with another checksum");
  return content;
}

function decompress(packed: Uint8Array, method: number, size: number, where: string): Uint8Array {
  if (method === STORED) return packed;
  if (method !== DEFLATED)
    throw new DataError(
      `${where}: expected stored or deflated bytes, found compression method ${method}. Write it with numpy.savez or numpy.savez_compressed.`,
    );
  if (size > MAX_INFLATION * packed.byteLength)
    throw damaged(where, `${size} bytes stated, too many for its size`);
  try {
    // One byte is the least limit that is accepted; the caller compares sizes.
    return inflateRawSync(packed, { maxOutputLength: Math.max(size, 1) });
  } catch (cause) {
    throw new DataError(
      `${where}: expected ${size} deflated bytes, found others. The file is damaged; write it again.`,
      {
        cause,
      },
    );
  }
}

function damaged(where: string, found: string): DataError {
  return new DataError(
    `${where}: expected a whole .npz archive, found ${found}. The file is damaged; write it again.`,
  );
}
