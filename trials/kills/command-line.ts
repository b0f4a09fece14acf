/** diem's command line as a process that may be killed. */

import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { join } from "node:path";

export interface Ended {
  /** Whether it was killed before its end. */
  readonly killed: boolean;
  readonly code: number | null;
  readonly err: string;
  readonly seconds: number;
  /** Changes seen below the folder. */
  readonly changes: number;
}

/** When to kill: so many seconds after the begin, or at the n-th change below a folder. */
export type Moment = { readonly seconds: number } | { readonly change: number };

/** Runs a command in `cwd`, where it changes what is below `out`, to its end or to a moment. */
export async function runDiem(cwd: string, args: readonly string[], moment?: Moment): Promise<Ended> {
  const began = performance.now();
  const main = join(import.meta.dirname, "../../src/cli/main.js");
  let [err, changes] = ["", 0];
  const child = spawn(process.execPath, [main, ...args, "--quiet", "--threads", "1"], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const kill = () => child.kill("SIGKILL");
  const watcher = watch(join(cwd, "out"), { recursive: true }, () => {
    changes++;
    if (moment !== undefined && "change" in moment && changes === moment.change) kill();
  });
  watcher.on("error", () => undefined); // folders go while they are watched
  const clock =
    moment !== undefined && "seconds" in moment ? setTimeout(kill, 1000 * moment.seconds) : undefined;
  child.stderr.on("data", (text) => {
    err += text;
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((ended, fail) => {
    child.on("error", fail);
    child.on("close", (...how) => ended(how));
  });
  clearTimeout(clock);
  watcher.close();
  return { killed: signal === "SIGKILL", code, err, seconds: (performance.now() - began) / 1000, changes };
}
