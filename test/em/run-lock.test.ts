import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import files from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lockRun } from "../../src/em/run/run-lock.ts";

/** Above the largest process id of Linux. */
const DEAD = 4_194_999;

describe("lockRun", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-lock-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const leave = (n: number, owner: object) =>
    writeFileSync(join(folder, `.lock-${n}`), JSON.stringify({ since: "noon", born: "", ...owner }));

  test("admits one at a time, of this process too, and leaves nothing", async () => {
    const first = await lockRun(folder);
    const { pid, host } = JSON.parse(readFileSync(join(folder, ".lock-1"), "utf8"));
    expect([pid, host]).toEqual([process.pid, hostname()]);
    await expect(lockRun(folder)).rejects.toThrow(`found process ${process.pid} on ${hostname()} since`);
    await first.release();
    expect(readdirSync(folder)).toEqual([]);
    await (await lockRun(folder)).release();
  });

  test("of many that find a dead owner at once, exactly one takes over", async () => {
    leave(7, { pid: DEAD, host: hostname() });
    const tries = await Promise.allSettled(Array.from({ length: 12 }, () => lockRun(folder)));
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  /** Something that other processes do right after this one has read a lock for the first time. */
  async function afterReading<T>(others: () => Promise<void>, work: () => Promise<T>): Promise<T> {
    const { readFile } = files;
    const once = async (path: unknown, ...rest: unknown[]) => {
      if (!String(path).includes(".lock-")) return await readFile(path as string, ...(rest as []));
      Object.assign(files, { readFile });
      syncBuiltinESMExports();
      const found = await Promise.allSettled([readFile(path as string, ...(rest as []))]);
      await others();
      if (found[0].status === "rejected") throw found[0].reason;
      return found[0].value;
    };
    Object.assign(files, { readFile: once });
    syncBuiltinESMExports();
    try {
      return await work();
    } finally {
      Object.assign(files, { readFile });
      syncBuiltinESMExports();
    }
  }

  test("does not take over what another took over, released and a third holds", async () => {
    leave(1, { pid: DEAD, host: hostname() });
    const others = async () => {
      await (await lockRun(folder)).release();
      await lockRun(folder);
    };
    await expect(afterReading(others, () => lockRun(folder))).rejects.toThrow("expected no other process");
    expect(readdirSync(folder)).toEqual([".lock-1"]);
  });

  test("sees who came when the owner that it had found left", async () => {
    const first = await lockRun(folder);
    const others = async () => {
      await lockRun(folder);
    };
    const read = afterReading(others, async () => {
      // The first leaves between the list of names and the look at its lock.
      const { readdir } = files;
      Object.assign(files, {
        readdir: async (path: string) => {
          const names = await readdir(path);
          Object.assign(files, { readdir });
          syncBuiltinESMExports();
          await first.release();
          return names;
        },
      });
      syncBuiltinESMExports();
      return await lockRun(folder);
    });
    await expect(read).rejects.toThrow("expected no other process");
    expect(readdirSync(folder)).toEqual([".lock-1"]);
  });

  test("tells what keeps a lock from being read", async () => {
    mkdirSync(join(folder, ".lock-1"));
    await expect(lockRun(folder)).rejects.toThrow(/\.lock-1: expected the lock of a run, found a folder/);
  });

  test("takes over from a process whose id is another's by now", async () => {
    leave(1, { pid: process.pid, host: hostname() });
    await (await lockRun(folder)).release();
    if (process.platform !== "linux") return;
    leave(1, { pid: 1, host: hostname(), born: "another boot" });
    await (await lockRun(folder)).release();
  });

  test("cannot tell whether a process of another host lives, and says what to do", async () => {
    leave(2, { pid: DEAD, host: "elsewhere" });
    await expect(lockRun(folder)).rejects.toThrow(
      `found process ${DEAD} on elsewhere since noon. Wait for it; if it is gone, delete ${join(folder, ".lock-2")}.`,
    );
  });

  test("refuses where a dead owner's number leaves no room for another", async () => {
    leave(999_999_999_999_999, { pid: DEAD, host: hostname() });
    await expect(lockRun(folder)).rejects.toThrow(
      ".lock-999999999999999: expected a lock with a lower number, found the last one, of a process that is gone. Delete it.",
    );
    rmSync(join(folder, ".lock-999999999999999"));
    leave(999_999_999_999_998, { pid: DEAD, host: hostname() });
    await (await lockRun(folder)).release();
  });

  test.runIf(process.platform === "linux")("does not wait for a pipe", async () => {
    execFileSync("mkfifo", [join(folder, ".lock-1")]);
    await expect(lockRun(folder)).rejects.toThrow(
      ".lock-1: expected the lock of a run, found a pipe or a device.",
    );
  });

  test("refuses a lock that is none", async () => {
    writeFileSync(join(folder, ".lock-1"), "{");
    await expect(lockRun(folder)).rejects.toThrow(
      ".lock-1: expected the lock of a run, found something else.",
    );
  });
});
