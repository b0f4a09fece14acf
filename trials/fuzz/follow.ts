/** Watches a worker: what it says, what the clock says, and how it ends. */

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Work } from "./worker.ts";

export interface Watch {
  readonly onCase: () => void;
  /** Told the number of a case, whose files are in the work's folder, and what is wrong. */
  readonly onFault: (index: number, reason: string) => void;
}

/** What a case may take, in seconds: of a processor, and on a machine that is busy with other things. */
const SECONDS = 5;
const PATIENCE = 60;

/** Runs a worker to its end, or ends it if a case takes too long. @returns the case to go on with */
export async function follow(work: Work, { onCase, onFault }: Watch): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "worker.js"), JSON.stringify(work)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, DIEM_THREADS: "1" },
  });
  const closed = new Promise<string>((ended) =>
    child.on("close", (code, signal) => ended(signal ?? `code ${code}`)),
  );
  const errors = lastText(child);
  let index: number | undefined;
  let next: number | undefined;
  let isLate = false;
  let began = { used: 0, at: 0 };
  const clock = setInterval(() => {
    const isWaiting = (performance.now() - began.at) / 1000 < PATIENCE;
    if (index === undefined || (isWaiting && secondsUsed(child) - began.used < SECONDS)) return;
    isLate = true;
    child.kill("SIGKILL");
  }, 500);
  for await (const line of createInterface(child.stdout!)) {
    const [, kind, rest] = /^(\w+) (.*)$/.exec(line)!;
    if (kind === "fault") onFault(index!, rest!);
    if (kind === "next") next = Number(rest);
    if (kind !== "case") continue;
    index = Number(rest);
    onCase();
    began = { used: secondsUsed(child), at: performance.now() };
  }
  clearInterval(clock);
  const end = await closed;
  if (next !== undefined) return next;
  if (index === undefined)
    throw new Error(`fuzz: the process that reads ${work.reader} ended with ${end}: ${errors()}`);
  onFault(index, isLate ? `took more than ${SECONDS} s` : `took the process down (${end}): ${errors()}`);
  return index + work.stride;
}

/** Seconds of processors that a process has taken. Needs Linux. */
function secondsUsed({ pid }: ChildProcess): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return 0; // it has just ended
  }
}

/** Of Linux, in a second. */
const TICKS = 100;

/** The end of what a process says on standard error. */
function lastText(child: ChildProcess): () => string {
  let text = "";
  child.stderr!.on("data", (more) => {
    text = (text + more).slice(-2000);
  });
  return () => text.trim().replaceAll("\n", " | ");
}
