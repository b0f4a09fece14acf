import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lockRun } from "../../src/em/run-lock.ts";

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

  test("refuses a lock that is none", async () => {
    writeFileSync(join(folder, ".lock-1"), "{");
    await expect(lockRun(folder)).rejects.toThrow(
      ".lock-1: expected the lock of a run, found something else.",
    );
  });
});
