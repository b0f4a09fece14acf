/** Single operations beside those of PyTorch and of TypeScript libraries. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DataError } from "../src/core/errors.ts";
import type { Job } from "./job.ts";
import { PEERS } from "./python.ts";
import { type Contestant, contest, type Outcome } from "./rounds.ts";
import { ours, python, type Stage } from "./sides.ts";
import { OPERATIONS, type OperationName, REPEATS, writeOperands } from "./tasks/operations.ts";

const TYPESCRIPT = join(PEERS, "typescript");

/** The operations that the TypeScript libraries have. */
const SHARED: readonly OperationName[] = ["convolution", "matrixProduct", "elementwise"];

/** Installs the TypeScript libraries where they are missing. @throws DataError if that fails */
export function installTypescript(onEvent: (text: string) => void): void {
  if (existsSync(join(TYPESCRIPT, "node_modules"))) return;
  onEvent(`installing @jax-js/jax and @tensorflow/tfjs into ${TYPESCRIPT}`);
  try {
    execFileSync("npm", ["ci", "--silent"], { cwd: TYPESCRIPT, stdio: "pipe" });
  } catch (cause) {
    throw new DataError(
      `bench: expected npm and a network to install ${TYPESCRIPT}/package.json, found: ${(cause as Error).message}. Run npm ci there, or leave out --peers.`,
      { cause },
    );
  }
}

/** Outcomes of each operation, by side. */
export async function measureOperations(
  stage: Stage,
  rounds: number,
  onEvent: (text: string) => void,
): Promise<Record<string, Record<string, Outcome>>> {
  const input = join(stage.folder, "operations.safetensors");
  writeOperands(input);
  const outcomes: Record<string, Record<string, Outcome>> = {};
  for (const task of OPERATIONS) {
    const job = { task, threads: stage.threads, input, repeats: REPEATS[task] };
    const peers = stage.python && task !== "sinkhorn" ? [python(stage, "torch", job)] : [];
    const libraries = stage.python && SHARED.includes(task) ? ["jaxjs", "tfjs"] : [];
    const sides = [
      ours(stage, "diem", job),
      ...peers,
      ...libraries.map((one) => typescript(stage, one, job)),
    ];
    outcomes[task] = await contest(sides, rounds, (text) => onEvent(`${task}: ${text}`));
  }
  return outcomes;
}

function typescript(stage: Stage, library: string, job: Omit<Job, "output">): Contestant {
  const output = join(stage.folder, `${library}.out.safetensors`);
  const safetensors = pathToFileURL(join(import.meta.dirname, "../src/nn/safetensors.js")).href;
  return {
    name: library,
    output,
    checked: true,
    command: process.execPath,
    args: [join(TYPESCRIPT, "peer.mjs"), JSON.stringify({ ...job, library, safetensors, output })],
  };
}
