import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { bytesPerElement, firstNonFinite, type HostArray, toBytes } from "../../core/array.ts";
import { NumericalError } from "../../core/errors.ts";
import { syncFolder, writeFailure, writeFileAtomic } from "../../core/files.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { encodeNpyHeader } from "../../data/arrays/npy.ts";
import {
  type DrawPaths,
  encodeJournal,
  type JournalChunk,
  readJournal,
  verifyChunks,
} from "./draw-journal.ts";

/**
 * Draws of an E-step on their way to the disk. Rows are appended to a partial file; `flush` makes those so far
 * permanent by noting their number and checksum in the journal, and a later writer goes on after them.
 */
export interface DrawWriter {
  /** Rows that are there already, from the beginning. */
  readonly done: number;
  /** Adds rows, [k, ...shape]. @throws NumericalError if one is not finite, DataError if the disk refuses; rows flushed before are kept */
  append(rows: HostArray<"float32">): Promise<void>;
  /** Makes all rows so far permanent. @throws DataError */
  flush(): Promise<void>;
  /** Flushes, and gives the file its name. @throws DataError */
  finish(): Promise<void>;
  /** Lets go of the file; what was not flushed is lost. */
  close(): Promise<void>;
}

/**
 * Opens the draws [count, ...rowShape] for writing, after the rows that an earlier process flushed.
 * @throws DataError if those are damaged, naming the file, or the disk refuses
 */
export async function openDrawWriter(paths: DrawPaths, count: number, rowShape: Shape): Promise<DrawWriter> {
  const header = encodeNpyHeader([count, ...rowShape], "float32");
  const rowBytes = sizeOf(rowShape) * bytesPerElement("float32");
  const guarded = async <T>(work: () => Promise<T>) => {
    try {
      return await work();
    } catch (error) {
      throw writeFailure(paths.partial, error);
    }
  };
  const chunks: JournalChunk[] = await keptChunks(paths, header.byteLength, rowBytes);
  const done = chunks.reduce((total, { rows }) => total + rows, 0);
  const handle = await guarded(() => open(paths.partial, chunks.length > 0 ? "r+" : "w"));
  let position = done > 0 ? header.byteLength + done * rowBytes : 0;
  let [pending, appended] = [0, 0];
  let hash: Hash = createHash("sha256");
  const write = async (bytes: Uint8Array) => {
    await guarded(() => writeAt(handle, bytes, position));
    position += bytes.byteLength;
    hash.update(bytes);
  };
  const flush = async () => {
    if (pending === 0) return;
    await guarded(() => handle.sync());
    chunks.push({ rows: pending, sha256: hash.digest("hex") });
    hash = createHash("sha256");
    pending = 0;
    await writeFileAtomic(paths.journal, encodeJournal(chunks));
  };
  return {
    done,
    async append(rows) {
      const wrong = firstNonFinite(rows.data);
      if (wrong >= 0)
        throw new NumericalError(
          `${paths.draws}: draw ${done + appended + Math.floor(wrong / sizeOf(rowShape))}: expected finite numbers, found ${rows.data[wrong]}. Check the sizes of y and of the noise variance, and the operator.`,
        );
      if (position === 0) await write(header);
      await write(toBytes(rows));
      pending += rows.shape[0]!;
      appended += rows.shape[0]!;
    },
    flush,
    async finish() {
      await flush();
      await guarded(async () => {
        await handle.truncate(header.byteLength + count * rowBytes);
        await handle.sync();
        await handle.close();
        await rename(paths.partial, paths.draws);
      });
      await syncFolder(dirname(paths.draws));
    },
    close: () => handle.close().catch(() => undefined),
  };
}

/** The chunks that are there, verified; none without a partial file or a journal. */
async function keptChunks(paths: DrawPaths, offset: number, rowBytes: number): Promise<JournalChunk[]> {
  const chunks = await readJournal(paths.journal);
  if (chunks === undefined) return [];
  const present = await verifyChunks(paths.partial, chunks, offset, rowBytes);
  return present ? chunks : [];
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const length = Math.min(bytes.byteLength - written, 2 ** 30);
    written += (await handle.write(bytes, written, length, position + written)).bytesWritten;
  }
}
