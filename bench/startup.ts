/** How long commands take to answer. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { median } from "./rounds.ts";
import type { Stage } from "./sides.ts";

/** Seconds until each has ended, started in turns. */
export function measureStartup({ python }: Stage, rounds: number): Record<string, number> {
  const source = join(import.meta.dirname, "../src");
  const library = JSON.stringify(pathToFileURL(join(source, "index.js")).href);
  const commands: readonly (readonly [string, string, readonly string[]])[] = [
    ["node", process.execPath, ["-e", ""]],
    ["diem --help", process.execPath, [join(source, "cli/main.js"), "--help"]],
    ["import diem", process.execPath, ["--input-type=module", "-e", `await import(${library})`]],
    ...(python
      ? ([
          ["import torch", python, ["-c", "import torch"]],
          ["import azula", python, ["-c", "import azula.guidance"]],
          ["import jax", python, ["-c", "import jax.numpy"]],
        ] as const)
      : []),
  ];
  const seconds: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++)
    for (const [name, command, args] of commands) {
      const began = performance.now();
      execFileSync(command, args, { stdio: "pipe" });
      // The first round reads the files from the disk.
      if (round > 0) seconds[name] = [...(seconds[name] ?? []), (performance.now() - began) / 1000];
    }
  return Object.fromEntries(Object.entries(seconds).map(([name, all]) => [name, median(all)]));
}
