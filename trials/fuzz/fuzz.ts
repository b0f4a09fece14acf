/** Damaged files for every reader: each case ends with a value or an error that is meant to be read, in bounded time and memory. */

import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { follow } from "./follow.ts";
import { READERS } from "./readers.ts";

export interface FuzzOptions {
  readonly cases: number;
  readonly seed: number;
  /** Of `READERS`. */
  readonly readers: readonly string[];
  /** Processes at a time. */
  readonly workers: number;
  /** Folder for cases while they are read, and for those that failed. */
  readonly folder: string;
  readonly onCase?: (reader: string) => void;
  readonly onFault?: (fault: Fault) => void;
}

/** A case that went wrong. */
export interface Fault {
  readonly reader: string;
  readonly reason: string;
  /** Where its files are. */
  readonly folder: string;
}

/** Cases that take as long as a process takes to begin. */
const WORTH_A_PROCESS = 500;

/** Reads the cases, in processes that are replaced when one ends. @returns what went wrong */
export async function fuzz({
  seed,
  workers,
  folder,
  onCase,
  onFault,
  ...options
}: FuzzOptions): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const [reader, cases] of shares(options)) {
    const reading = join(folder, "reading", reader);
    const watch = {
      onCase: () => onCase?.(reader),
      onFault: (index: number, reason: string) => {
        const fault = { reader, reason, folder: join(folder, `${reader}-${index}`) };
        rmSync(fault.folder, { recursive: true, force: true }); // of an earlier run
        renameSync(join(reading, String(index)), fault.folder);
        faults.push(fault);
        onFault?.(fault);
      },
    };
    const processes = Math.min(workers, Math.ceil(cases / WORTH_A_PROCESS));
    const series = async (first: number) => {
      for (let next = first; next < cases; )
        next = await follow(
          { reader, seed, first: next, stride: processes, end: cases, folder: reading },
          watch,
        );
    };
    await Promise.all(Array.from({ length: processes }, (_, k) => series(k)));
  }
  rmSync(join(folder, "reading"), { recursive: true, force: true });
  return faults;
}

/** How many cases each reader gets: at least one. */
export function shares({ readers, cases }: Pick<FuzzOptions, "readers" | "cases">): [string, number][] {
  const total = readers.reduce((sum, name) => sum + READERS[name]!.share, 0);
  return readers.map((name) => [name, Math.ceil((cases * READERS[name]!.share) / total)]);
}
