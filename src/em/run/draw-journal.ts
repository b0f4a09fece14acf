import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { DataError } from "../../core/errors.ts";
import { expectRegular, readFailure, readRegular } from "../../core/files.ts";
import { isRecord, parseJson } from "../../core/json.ts";
import { RECOMPUTE } from "./sealed.ts";

/** Files of an E-step's draws. */
export interface DrawPaths {
  /** All draws, [count, ...latent]; there once they are complete. */
  readonly draws: string;
  /** The draws so far; becomes `draws`. */
  readonly partial: string;
  /** Which rows are permanent, chunk by chunk, with their SHA-256; that of the first includes the header. */
  readonly journal: string;
}

/** Rows that were made permanent together. */
export interface JournalChunk {
  readonly rows: number;
  readonly sha256: string;
}

/** The chunks in a journal, or undefined if there is none. @throws DataError if it is damaged */
export async function readJournal(path: string): Promise<JournalChunk[] | undefined> {
  let text: string;
  try {
    text = new TextDecoder().decode(await readRegular(path));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw readFailure(path, "the journal of the draws", error);
  }
  return parseJournal(text, path);
}

/** The text of a journal: the chunks and a checksum of the list. */
export function encodeJournal(chunks: readonly JournalChunk[]): string {
  return `${JSON.stringify({ chunks, sha256: checksumOf(chunks) })}\n`;
}

function checksumOf(chunks: unknown): string {
  return createHash("sha256").update(JSON.stringify(chunks)).digest("hex");
}

/** @throws DataError if the text is not what was written */
export function parseJournal(text: string, where: string): JournalChunk[] {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    value = undefined;
  }
  const chunks = isRecord(value) ? value.chunks : undefined;
  const intact = isRecord(value) && Array.isArray(chunks) && value.sha256 === checksumOf(chunks);
  if (!intact || !chunks.every(isChunk))
    throw new DataError(
      `${where}: expected the journal of the draws as it was written, found something else. ${RECOMPUTE}`,
    );
  return chunks;
}

/**
 * Compares rows with their checksums.
 * @param offset bytes of the header, which the first chunk includes
 * @returns false if there is no such file        @throws DataError naming it if a row is not what was written
 */
export async function verifyChunks(
  path: string,
  chunks: readonly JournalChunk[],
  offset: number,
  rowBytes: number,
): Promise<boolean> {
  let handle: FileHandle;
  try {
    await expectRegular(path);
    handle = await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return false;
    throw readFailure(path, "draws", error);
  }
  try {
    let position = 0;
    let first = 0;
    for (const { rows, sha256 } of chunks) {
      const length = rows * rowBytes + (position === 0 ? offset : 0);
      if ((await hashPart(handle, position, length)) !== sha256)
        throw new DataError(
          `${path}: expected draws ${first} to ${first + rows - 1} as they were written, found other bytes. ${RECOMPUTE}`,
        );
      position += length;
      first += rows;
    }
  } catch (error) {
    throw readFailure(path, "draws", error);
  } finally {
    await handle.close();
  }
  return true;
}

const PIECE = 2 ** 20;

async function hashPart(handle: FileHandle, start: number, length: number): Promise<string> {
  const hash = createHash("sha256");
  const piece = new Uint8Array(Math.min(PIECE, length));
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, length - done), start + done);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    done += bytesRead;
  }
  return hash.digest("hex");
}

function isChunk(value: unknown): value is JournalChunk {
  if (!isRecord(value)) return false;
  const { rows, sha256 } = value;
  return Number.isSafeInteger(rows) && Number(rows) > 0 && /^[0-9a-f]{64}$/.test(`${sha256}`);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
