/**
 * A process that reads cases and tells on standard output, a line each: the number of every case before it is read, and
 * what is wrong with one, whose files then stay. Whoever started it looks at the clock, and knows the case that took it down.
 */

import { rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { caseOf, type Files, sizeOfFiles, streamOf, writeFiles } from "./cases.ts";
import { faultOf } from "./judge.ts";
import { READERS } from "./readers.ts";

/** Cases first, first + stride, ... of a reader, until `end` or until the process has grown too large. */
export interface Work {
  readonly reader: string;
  readonly seed: number;
  readonly first: number;
  readonly stride: number;
  readonly end: number;
  /** Where each case is written to be read, under its number. */
  readonly folder: string;
}

/** A process that holds more begins anew: freed memory that it keeps would hide what the next cases take. */
const GROWN = 500 * 2 ** 20;

const work = JSON.parse(process.argv[2]!) as Work;
const { seeds, read, wrap = (bytes: Uint8Array) => bytes } = READERS[work.reader]!;
const tell = (line: string) => writeSync(1, `${line.replaceAll("\n", " | ")}\n`);

async function readCase(name: string, files: Files): Promise<void> {
  const folder = join(work.folder, name);
  writeFiles(folder, files);
  const fault = await faultOf(() => read(folder), sizeOfFiles(files));
  if (fault) tell(`fault ${fault}`);
  else rmSync(folder, { recursive: true, force: true });
}

const valid = await seeds();
await faultOf(() => read(join(work.folder, "nothing")), 0); // what a reader loads at its first use is no case's
let index = work.first;
for (; index < work.end && process.memoryUsage.rss() < GROWN; index += work.stride) {
  tell(`case ${index}`);
  await readCase(String(index), caseOf(valid, wrap, streamOf(work.seed, work.reader, index)));
}
tell(`next ${index}`);
