import { closeSync, readSync } from "node:fs";
import { bytesPerElement } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { encodeNpyHeader, openNpy } from "../../data/arrays/npy.ts";
import type { TrainingSet } from "../m-step/batch.ts";
import { type DrawPaths, readJournal, verifyChunks } from "./draw-journal.ts";
import { RECOMPUTE } from "./sealed.ts";

/**
 * Posterior draws of the last iterations as one training set. Rows are read from the files when asked for (the
 * system's page cache keeps what is used), so memory does not grow with the number of draws.
 */
export class DrawFiles implements TrainingSet {
  readonly count: number;
  readonly #files: { readonly descriptor: number; readonly offset: number; readonly end: number }[] = [];
  readonly #rowBytes: number;

  /** @param paths .npy files of float32 rows of one shape @throws DataError if one is missing or differs */
  constructor(paths: readonly string[], shape: readonly number[]) {
    this.#rowBytes = sizeOf(shape) * bytesPerElement("float32");
    let end = 0;
    for (const path of paths) {
      const { descriptor, layout } = openNpy(path);
      const { type, isFortran, offset } = layout;
      const [rows, ...rest] = layout.shape;
      end += rows!;
      this.#files.push({ descriptor, offset, end });
      const isOurs = type.name === "float32" && !type.isBigEndian && !isFortran;
      if (!isOurs || rest.join() !== shape.join()) {
        this.close();
        throw new DataError(
          `${path}: expected float32 rows of [${shape.join(", ")}], found ${type.name} [${layout.shape.join(", ")}]. ${RECOMPUTE}`,
        );
      }
    }
    this.count = end;
  }

  copyRow(index: number, out: Float32Array, row: number): void {
    const k = this.#files.findIndex(({ end }) => index < end);
    const file = this.#files[k]!;
    const first = k === 0 ? 0 : this.#files[k - 1]!.end;
    const target = new Uint8Array(out.buffer, out.byteOffset + row * this.#rowBytes, this.#rowBytes);
    const read = readSync(
      file.descriptor,
      target,
      0,
      this.#rowBytes,
      file.offset + (index - first) * this.#rowBytes,
    );
    if (read !== this.#rowBytes)
      throw new DataError(
        `draws: row ${index} is cut off (${read} of ${this.#rowBytes} bytes). ${RECOMPUTE}`,
      );
  }

  close(): void {
    for (const { descriptor } of this.#files.splice(0)) closeSync(descriptor);
  }
}

/**
 * Whether all `count` draws are there, every byte as it was written.
 * @throws DataError naming the file if it is damaged
 */
export async function verifyDraws(
  { draws, journal }: DrawPaths,
  count: number,
  rowShape: Shape,
): Promise<boolean> {
  const chunks = await readJournal(journal);
  if (chunks?.reduce((total, { rows }) => total + rows, 0) !== count) return false;
  const header = encodeNpyHeader([count, ...rowShape], "float32").byteLength;
  return await verifyChunks(draws, chunks, header, sizeOf(rowShape) * bytesPerElement("float32"));
}
