import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import type { ProgressEvent } from "../../src/core/events.ts";
import { createObservations, openObservations } from "../../src/data/observations/observations.ts";
import type { TrainOptions } from "../../src/em/context.ts";
import { train } from "../../src/em/train.ts";
import { type Fault, withFaults } from "./file-faults.ts";
import { COUNT, results, TINY, tinyObservations } from "./tiny-run.ts";

let folder = "";
const path = (...names: string[]) => join(folder, ...names);
const go = (out: string, options: Partial<TrainOptions> = {}) =>
  train(tinyObservations(), TINY, { out, checkpointSeconds: 0, ...options });
const resume = (out: string) => go(out, { resume: true });

/** Stops a new run at the first event that fits. */
async function stopAt(out: string, when: (event: ProgressEvent) => boolean): Promise<void> {
  const controller = new AbortController();
  const onEvent = (event: ProgressEvent) => {
    if (when(event)) controller.abort();
  };
  await expect(go(out, { onEvent, signal: controller.signal })).rejects.toThrow("stopped");
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "diem-faults-"));
  await go(path("whole"));
  await stopAt(path("start"), ({ stage, done }) => stage.startsWith("Gaussian start") && done > 0);
  await stopAt(
    path("e-step"),
    ({ stage, iteration, done }) => stage === "E-step" && iteration === 3 && done > 16,
  );
  await stopAt(
    path("m-step"),
    ({ stage, iteration, done }) => stage === "M-step" && iteration === 2 && done === 5,
  );
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A run stopped in that step, in a folder of its own. */
function copyOf(stopped: "start" | "e-step" | "m-step"): string {
  const out = mkdtempSync(path("copy-"));
  cpSync(path(stopped), out, { recursive: true });
  return out;
}

const DAMAGED = [
  ["e-step", "start/gaussian.safetensors"],
  ["e-step", "iterations/0002/weights.safetensors"],
  ["e-step", "iterations/0002/state.safetensors"],
  ["e-step", "iterations/0002/draws.npy"],
  ["e-step", "iterations/0003/draws.partial"],
  ["e-step", "iterations/0003/draws.json"],
  ["m-step", "iterations/0002/state.safetensors"],
  ["m-step", "iterations/0002/draws.npy"],
] as const;

describe("damaged files of a run", () => {
  test.each(DAMAGED)(
    "stopped in %s, %s: an error that names it; without it, the same bytes",
    async (step, name) => {
      const out = copyOf(step);
      const file = join(out, name);
      const bytes = readFileSync(file);
      const refused = async () => {
        const error = await resume(out).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(DataError);
        expect((error as Error).message).toContain(`${file}: expected`);
        expect((error as Error).message).toContain("Delete it and continue with --resume");
      };
      // Bits of the header, the middle and the last byte; in a JSON text, of a checksum.
      for (const at of [20, Math.floor(bytes.length / 2), bytes.length - (name.endsWith("json") ? 10 : 1)]) {
        const flipped = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 1 : byte));
        writeFileSync(file, flipped);
        await refused();
      }
      writeFileSync(file, bytes);
      truncateSync(file, bytes.length - 3);
      await refused();
      rmSync(file);
      await resume(out);
      expect(results(out)).toEqual(results(path("whole")));
    },
    60_000,
  );

  test("none, of a run stopped in its start: the same bytes", async () => {
    const out = copyOf("start");
    await resume(out);
    expect(results(out)).toEqual(results(path("whole")));
  });

  test("run.json with another seed", async () => {
    const out = copyOf("m-step");
    const text = readFileSync(join(out, "run.json"), "utf8");
    writeFileSync(join(out, "run.json"), text.replace('"seed": 0', '"seed": 1'));
    await expect(resume(out)).rejects.toThrow("run.json: expected the fields that the run began with");
  });
});

describe("a disk that refuses", () => {
  const full =
    (name: RegExp): Fault =>
    (operation, file) =>
      operation === "write" && name.test(file) ? "ENOSPC" : undefined;

  test.each([/gaussian\./, /draws\.partial/, /draws\.json/, /0002\/\.state\./, /weights\./, /figures/])(
    "because it is full while %s is written: a clear error, and the run resumes",
    async (name) => {
      const out = mkdtempSync(path("full-"));
      await expect(withFaults(full(name), () => go(out))).rejects.toThrow(
        /found it full. Free some space and run again/,
      );
      expect(JSON.parse(readFileSync(join(out, "status.json"), "utf8")).state).toBe("failed");
      await resume(out);
      expect(results(out)).toEqual(results(path("whole")));
    },
    60_000,
  );

  test.each(["EROFS", "EACCES"] as const)("because the folder may not be written, %s", async (code) => {
    const out = copyOf("m-step");
    const before = results(out);
    await expect(
      withFaults(
        () => code,
        () => resume(out),
      ),
    ).rejects.toThrow(/expected (a writable disk|permission to write)/);
    expect(results(out)).toEqual(before);
    expect(readdirSync(out).filter((name) => /lock|tmp/.test(name))).toEqual([]);
  });

  const mountable = process.platform === "linux" && process.getuid?.() === 0 && tryMount();
  test.skipIf(!mountable)(
    "because a file system of 96 KiB is full, really",
    async () => {
      const out = path("small");
      mount(out, "96k");
      try {
        await expect(go(out)).rejects.toThrow(/found it full. Free some space and run again/);
        execFileSync("mount", ["-o", "remount,size=16m", out]);
        await resume(out);
        expect(results(out)).toEqual(results(path("whole")));
      } finally {
        execFileSync("umount", [out]);
      }
    },
    60_000,
  );
});

function mount(at: string, size: string): void {
  mkdirSync(at, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", at], { stdio: "ignore" });
}

/** Containers often have root but may not mount; the full disk is then injected only. */
function tryMount(): boolean {
  const at = mkdtempSync(join(tmpdir(), "diem-mount-"));
  try {
    mount(at, "16k");
    execFileSync("umount", [at]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}

test("observations that changed on the disk are refused, and the run resumes when they are back", async () => {
  const { header, read } = tinyObservations();
  const writer = await createObservations(path("observations"), header, COUNT);
  await writer.append(await read(0, COUNT));
  await writer.close();
  const run = async (options: Partial<TrainOptions>) =>
    train(await openObservations(path("observations")), TINY, { out: path("disk"), ...options });
  await expect(run({ signal: AbortSignal.abort() })).rejects.toThrow("stopped");
  const name = readdirSync(path("observations"), { recursive: true, encoding: "utf8" }).find((file) =>
    /^y.c.0.0$/.test(file),
  )!;
  const bytes = readFileSync(path("observations", name));
  writeFileSync(
    path("observations", name),
    Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte ^ 1 : byte)),
  );
  await expect(run({ resume: true })).rejects.toThrow(
    "observations: expected the observations that the run began with, found others. Restore them",
  );
  writeFileSync(path("observations", name), bytes);
  expect(await (await run({ resume: true })).lastIteration()).toBe(3);
}, 60_000);
