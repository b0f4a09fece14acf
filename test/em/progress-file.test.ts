import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProgressFile } from "../../src/em/run/progress-file.ts";
import { readStatus } from "../../src/report/read-status.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-progress-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const event = (done: number) => ({
  ...{ stage: "M-step", iteration: 2, iterations: 5, done, total: 100, unit: "steps", loss: 0.25 },
});

/** Tells of events at given seconds. */
function tell(path: string, events: readonly (readonly [seconds: number, done: number])[]): void {
  const clock = vi.spyOn(performance, "now").mockReturnValue(0);
  const progress = new ProgressFile(path);
  for (const [seconds, done] of events) {
    clock.mockReturnValue(1000 * seconds);
    progress.tell(event(done));
  }
}

describe("progress.json", () => {
  test("is written once a second, with the rate since the stage's first event", () => {
    tell(folder, [
      [0, 10],
      [0.9, 40],
    ]);
    expect(readdirSync(folder)).toEqual([]);
    tell(folder, [
      [0, 10],
      [2, 50],
      [2.9, 60],
    ]);
    const { updatedAt, ...progress } = JSON.parse(readFileSync(join(folder, "progress.json"), "utf8"));
    expect(progress).toEqual({ ...event(50), perSecond: 20 });
    expect(Date.parse(updatedAt)).not.toBeNaN();
    expect(readdirSync(folder)).toEqual(["progress.json"]);
  });

  test("that cannot be written does not disturb the run", () => {
    tell(join(folder, "gone"), [[5, 1]]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a run that says it is running", () => {
  const own = { pid: process.pid, host: hostname(), since: "now", born: "" };
  const statusWith = async (lock: object | undefined) => {
    writeFileSync(
      join(folder, "status.json"),
      JSON.stringify({ state: "running", updatedAt: "2026-01-01T00:00:00Z" }),
    );
    if (lock) writeFileSync(join(folder, ".lock-1"), JSON.stringify(lock));
    return await readStatus(folder);
  };

  test("is, while its process lives", async () => {
    expect((await statusWith(own))?.state).toBe("running");
  });

  test("may be, on another host", async () => {
    expect((await statusWith({ ...own, host: `not ${hostname()}` }))?.state).toBe("running");
  });

  test("was killed, if its process is gone or nobody holds its lock", async () => {
    expect((await statusWith(undefined))?.state).toBe("killed");
    expect((await statusWith({ ...own, pid: 2 ** 22 + 1 }))?.state).toBe("killed"); // beyond the greatest id on Linux
  });

  test("has the progress that was told since, and neither that of an earlier process nor a damaged one", async () => {
    const put = (text: string) => writeFileSync(join(folder, "progress.json"), text);
    put(JSON.stringify({ ...event(3), updatedAt: "2026-01-01T00:00:09Z" }));
    expect(await statusWith(own)).toMatchObject({ progress: event(3), updatedAt: "2026-01-01T00:00:09Z" });
    put(JSON.stringify({ ...event(3), updatedAt: "2025-12-31T00:00:09Z" }));
    expect((await statusWith(own))?.progress).toBeUndefined();
    put("");
    expect((await statusWith(own))?.progress).toBeUndefined();
  });
});
