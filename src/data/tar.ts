/** Files out of a tar archive as it streams by: POSIX ustar, as far as archives of data use it. */

import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { DataError } from "../core/errors.ts";
import { expectRegular, readFailure } from "../core/files.ts";

/** A file of an archive. */
export interface TarFile {
  /** With its folders, as the archive says. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const BLOCK = 512;
/** Of the header: where its fields begin, and how long they are. */
const NAME = [0, 100] as const;
const SIZE = [124, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
/** Types of ordinary files: "0", or a zero byte in old archives. */
const FILE_TYPES = [0x30, 0];

/**
 * Files of a tar.gz archive that are wanted, one after the other; others are passed over without being held.
 * @param isWanted told name and size of each file; may throw to refuse one
 * @throws DataError if the archive is missing or damaged
 */
export async function* tarGzFiles(
  path: string,
  isWanted: (name: string, size: number) => boolean,
): AsyncGenerator<TarFile> {
  const gunzip = createGunzip();
  try {
    await expectRegular(path);
    pipeline(createReadStream(path), gunzip, () => undefined); // errors come out of the loop below
    yield* tarFiles(gunzip, isWanted, path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (typeof code === "string" && code.startsWith("Z_"))
      throw damaged(path, `other bytes (${(error as Error).message})`, error);
    throw readFailure(path, "a tar.gz archive", error);
  } finally {
    gunzip.destroy();
  }
}

/** As `tarGzFiles`, of an archive that is not compressed, in pieces of any length. */
export async function* tarFiles(
  pieces: AsyncIterable<Uint8Array>,
  isWanted: (name: string, size: number) => boolean,
  where = "tarFiles",
): AsyncGenerator<TarFile> {
  const source = reader(pieces, where);
  for (;;) {
    const header = await source.take(BLOCK, "a header");
    if (header.every((byte) => byte === 0)) return; // two such blocks end an archive
    const size = parseHeader(header, where);
    const name = text(header, NAME);
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (FILE_TYPES.includes(header[TYPE]!) && isWanted(name, size)) {
      yield { name, bytes: await source.take(size, name) };
      await source.skip(padding, name);
    } else await source.skip(size + padding, name);
  }
}

/** The size of the file that a header announces. @throws DataError if it is no header */
function parseHeader(header: Uint8Array, where: string): number {
  // The checksum is that of the header with its own field blank.
  const [start, length] = CHECKSUM;
  const sum = header.reduce((total, byte, i) => total + (i >= start && i < start + length ? 0x20 : byte), 0);
  const size = octal(text(header, SIZE));
  if (octal(text(header, CHECKSUM)) !== sum || !Number.isSafeInteger(size))
    throw damaged(where, "a damaged header");
  return size;
}

function text(header: Uint8Array, [start, length]: readonly [number, number]): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** NaN if it is no octal number. */
function octal(field: string): number {
  const digits = field.trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

/** Reads exact numbers of bytes from pieces of any length. */
function reader(pieces: AsyncIterable<Uint8Array>, where: string) {
  const iterator = pieces[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();
  /** Hands on the next `count` bytes in pieces. */
  const each = async (count: number, what: string, use: (piece: Uint8Array) => void) => {
    for (let missing = count; missing > 0; ) {
      if (rest.length === 0) {
        const { done, value } = await iterator.next();
        if (done) throw damaged(where, `the end inside ${what}`);
        rest = value;
      }
      const piece = rest.subarray(0, missing);
      use(piece);
      rest = rest.subarray(piece.length);
      missing -= piece.length;
    }
  };
  return {
    async take(count: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
      const bytes = new Uint8Array(count);
      let filled = 0;
      await each(count, what, (piece) => {
        bytes.set(piece, filled);
        filled += piece.length;
      });
      return bytes;
    },
    skip: (count: number, what: string) => each(count, what, () => undefined),
  };
}

function damaged(where: string, found: string, cause?: unknown): DataError {
  return new DataError(`${where}: expected a whole tar.gz archive, found ${found}. Download it again.`, {
    cause,
  });
}
