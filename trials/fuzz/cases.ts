/** What a reader is given: a file or a folder of files, damaged in a way that a seed and a number repeat. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Rng } from "../../src/core/random.ts";
import { mutate } from "./mutate.ts";

/** Files by their paths below a folder. */
export type Files = Readonly<Record<string, Uint8Array>>;

/** Case `index`: one of the seeds, of which one file is damaged. @param wrap makes the file of what was damaged */
export function caseOf(seeds: readonly Files[], wrap: (bytes: Uint8Array) => Uint8Array, rng: Rng): Files {
  const seed = seeds[rng.integer(seeds.length)]!;
  const names = Object.keys(seed);
  const name = names[rng.integer(names.length)]!;
  const other = seeds[rng.integer(seeds.length)]!;
  return { ...seed, [name]: wrap(mutate(seed[name]!, other[name] ?? seed[name]!, rng)) };
}

/** The stream of a case. */
export function streamOf(seed: number, reader: string, index: number): Rng {
  return new Rng(seed).split(reader, index);
}

/** Writes files into a folder. */
export function writeFiles(folder: string, files: Files): void {
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
}

/** Bytes of all files together. */
export function sizeOfFiles(files: Files): number {
  return Object.values(files).reduce((sum, bytes) => sum + bytes.length, 0);
}
