/** A process that trains the tiny run and, where asked, dies or stops at a moment: before the n-th operation of a stage. */

import { existsSync, writeSync } from "node:fs";
import files, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";

export interface TrainingRequest {
  readonly out: string;
  /** Stop before the `count`-th operation (file or progress) that this process does in the stage. */
  readonly moment?: { readonly stage: Stage; readonly count: number } | undefined;
  /** What to do then: die, or stay alive and do nothing more. */
  readonly halt?: "die" | "wait";
}

export type Stage = "start" | "E-step" | "M-step" | "report";

const request = JSON.parse(process.argv[2]!) as TrainingRequest;
const counts: Record<string, number> = {};
let stage: Stage | undefined;

function stageOf(name: string): Stage | undefined {
  if (/fit\.|gaussian\.|Gaussian start/.test(name)) return "start";
  if (/draws\.|E-step/.test(name)) return "E-step";
  if (/state\.|weights\.|M-step/.test(name)) return "M-step";
  return /gallery|prior|posterior|figures|report|samples/i.test(name) ? "report" : undefined;
}

/** One operation; `half` does a part of it, for a process can die in the middle of a write. */
async function operation(name: string, half?: () => Promise<unknown>): Promise<void> {
  if (pass(name)) return;
  await half?.();
  if (request.halt === "wait") await new Promise((done) => setTimeout(done, 2 ** 30));
  process.kill(process.pid, "SIGKILL");
}

function pass(name: string): boolean {
  stage = stageOf(name) ?? stage;
  if (stage === undefined) return true;
  counts[stage] = (counts[stage] ?? 0) + 1;
  if (stage !== request.moment?.stage || counts[stage] !== request.moment.count) return true;
  writeSync(1, `${stage}: ${name}\n`);
  return false;
}

const { open, rename, rm, link } = files;
files.open = async (path, ...rest) => {
  await operation(`open ${path}`);
  return watched(await open(path, ...rest), String(path));
};
files.rename = async (from, to) => {
  await operation(`rename ${to}`);
  await rename(from, to);
};
files.rm = async (path, options) => {
  await operation(`remove ${path}`);
  await rm(path, options);
};
files.link = async (from, to) => {
  await operation(`link ${to}`);
  await link(from, to);
};

function watched(handle: FileHandle, path: string): FileHandle {
  const writeFile = handle.writeFile.bind(handle);
  const sync = handle.sync.bind(handle);
  const write = handle.write.bind(handle) as (
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ) => ReturnType<FileHandle["write"]>;
  const halfOf = (bytes: Uint8Array, at: number | null) => () =>
    write(bytes, 0, Math.floor(bytes.byteLength / 2), at);
  handle.writeFile = async (data, ...rest) => {
    await operation(`write ${path}`, typeof data === "string" ? undefined : halfOf(data as Uint8Array, null));
    await writeFile(data, ...rest);
  };
  handle.write = (async (bytes: Uint8Array, offset: number, length: number, position: number) => {
    await operation(`write ${path}`, halfOf(bytes, position));
    return await write(bytes, offset, length, position);
  }) as typeof handle.write;
  handle.sync = async () => {
    await operation(`sync ${path}`);
    await sync();
  };
  return handle;
}
syncBuiltinESMExports();

const { train } = await import("../../src/em/train.ts");
const { writeReport } = await import("../../src/report/report.ts");
const { LONGER, tinyObservations } = await import("./tiny-run.ts");

const { out } = request;
await train(tinyObservations(), LONGER, {
  out,
  resume: existsSync(join(out, "run.json")),
  checkpointSeconds: 0,
  onEvent: (event) => {
    // Progress is told synchronously, so a process that is to die here dies at once.
    if (!pass(event.stage)) process.kill(process.pid, "SIGKILL");
  },
  onIteration: () => writeReport([out], join(out, "report.html")),
});
writeSync(1, `${JSON.stringify(counts)}\n`);
