/** What reading a case may do: return, or throw an error that is meant to be read, within a ceiling of memory. */

import { readFileSync, writeFileSync } from "node:fs";
import { DiemError } from "../../src/core/errors.ts";

/** What a case may take above the size of its files. */
const MEMORY = 200 * 2 ** 20;

/** What is wrong with reading a case, if anything is. Needs Linux, which tells a process its peak. @param size bytes of its files */
export async function faultOf(read: () => Promise<unknown>, size: number): Promise<string | undefined> {
  forgetPeak();
  const before = process.memoryUsage.rss();
  let fault: string | undefined;
  try {
    await read();
  } catch (error) {
    if (!(error instanceof DiemError))
      fault = `untyped error: ${error instanceof Error ? error.stack : error}`;
    else if (error.message.includes("\n")) fault = `error of several lines: ${error.message}`;
  }
  const taken = peak() - before - size;
  return fault ?? (taken > MEMORY ? `took ${Math.round(taken / 2 ** 20)} MB` : undefined);
}

/** Largest memory that the process held since `forgetPeak`, in bytes. */
function peak(): number {
  const [, kilobytes] = /VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))!;
  return Number(kilobytes) * 1024;
}

function forgetPeak(): void {
  writeFileSync("/proc/self/clear_refs", "5");
}
