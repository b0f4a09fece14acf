/** CIFAR-10 in its binary version: https://www.cs.toronto.edu/~kriz/cifar.html */

import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { float32, type HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { readFailure, readFileOrFail } from "../core/files.ts";
import type { Shape } from "../core/shape.ts";
import { tarGzFiles } from "./tar.ts";

/** Where the archive is published, and what tells that it is whole. */
export const CIFAR10_ARCHIVE = {
  url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
  name: "cifar-10-binary.tar.gz",
  md5: "c32a1d4ab5d03f1284b67883e8d87530",
} as const;

/** The pictures of one part, read a few at a time. */
export interface Cifar10 {
  /** [N, 3, 32, 32], as published N = 50000 in "train" and 10000 in "test". */
  readonly shape: Shape;
  /** Classes, [N], 0 ... 9: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck. */
  readonly labels: Uint8Array;
  /**
   * Pictures [start, end), channels red, green, blue, x = 4 u / 255 - 2 in [-2, 2] with u the published byte.
   * The paper's code has x = 4 u / 256 - 2, which never reaches the last 256th of the range.
   */
  readonly read: (start: number, end: number) => HostArray<"float32">;
}

const FILES = {
  train: ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
  test: ["test_batch.bin"],
} as const;

const PIXELS = 3 * 32 * 32;
/** A label, then the planes red, green and blue, each row by row. */
const RECORD = 1 + PIXELS;
/** Pictures in each file, as published. */
const PICTURES = 10_000;
const CLASSES = 10;

/**
 * Opens a part of CIFAR-10, in the published order.
 * @param path folder with the files data_batch_1.bin ... test_batch.bin, or the archive cifar-10-binary.tar.gz
 * @param perFile pictures that each file must have. Default: as published; smaller sets of the same layout have fewer
 * @throws DataError if files are missing or damaged
 */
export async function openCifar10(
  path: string,
  part: "train" | "test",
  perFile: number = PICTURES,
): Promise<Cifar10> {
  const names: readonly string[] = FILES[part];
  const read = (await isFolder(path)) ? fromFolder : fromArchive;
  const files = await read(path, names, perFile);
  for (const [k, bytes] of files.entries()) checkLabels(bytes, `${path}: ${names[k]}`);
  const count = perFile * files.length;
  const labels = Uint8Array.from(
    { length: count },
    (_, i) => files[Math.floor(i / perFile)]![(i % perFile) * RECORD]!,
  );
  return {
    shape: [count, 3, 32, 32],
    labels,
    read(start, end) {
      const values = new Float32Array((end - start) * PIXELS);
      for (let i = start; i < end; i++) {
        const first = (i % perFile) * RECORD + 1;
        const bytes = files[Math.floor(i / perFile)]!;
        const to = (i - start) * PIXELS;
        for (let j = 0; j < PIXELS; j++) values[to + j] = (bytes[first + j]! * 4) / 255 - 2;
      }
      return float32(values, [end - start, 3, 32, 32]);
    },
  };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw readFailure(path, "CIFAR-10", error);
  }
}

async function fromFolder(path: string, names: readonly string[], perFile: number): Promise<Uint8Array[]> {
  const files: Uint8Array[] = [];
  for (const name of names) {
    const bytes = await readFileOrFail(join(path, name), "a file of CIFAR-10");
    checkSize(bytes.length, perFile, `${path}: ${name}`);
    files.push(bytes);
  }
  return files;
}

/** The archive's files stand in no order. */
async function fromArchive(path: string, names: readonly string[], perFile: number): Promise<Uint8Array[]> {
  const files = new Map<string, Uint8Array>();
  const isWanted = (name: string, size: number) => {
    const known = names.includes(basename(name));
    if (known) checkSize(size, perFile, `${path}: ${basename(name)}`); // before it is held
    return known;
  };
  for await (const { name, bytes } of tarGzFiles(path, isWanted)) files.set(basename(name), bytes);
  return names.map((name) => {
    const bytes = files.get(name);
    if (bytes === undefined)
      throw new DataError(
        `${path}: expected the binary version of CIFAR-10, found no ${name} inside. Give ${CIFAR10_ARCHIVE.name}.`,
      );
    return bytes;
  });
}

function checkSize(size: number, perFile: number, where: string): void {
  if (size !== perFile * RECORD)
    throw new DataError(
      `${where}: expected ${perFile * RECORD} bytes (${perFile} pictures), found ${size}. The file is damaged; download it again.`,
    );
}

function checkLabels(bytes: Uint8Array, where: string): void {
  for (let i = 0; i * RECORD < bytes.length; i++)
    if (bytes[i * RECORD]! >= CLASSES)
      throw new DataError(
        `${where}: picture ${i}: expected a label of 0 to 9, found ${bytes[i * RECORD]}. The file is damaged; download it again.`,
      );
}
