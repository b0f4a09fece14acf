import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { trainCommand } from "../../src/cli/commands/train.ts";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { diem, runDiem } from "./diem.ts";

const SMALL = [
  ...["network.width=8", "network.blocks=1", "network.embedding=8", "start.iterations=2", "start.rank=2"],
  ...["em.iterations=1", "eStep.steps=3", "mStep.steps=3", "mStep.finalSteps=3", "mStep.batch=8"],
  ...["figures.prior=4", "figures.gallery=4", "figures.priorSteps=3"],
].flatMap((setting) => ["--set", setting]);

let folder = "";
const path = (name: string) => join(folder, name);

/** Runs a command; once it has told its address, asks for the page there. */
async function visited(args: readonly string[], then: () => void) {
  let [told, page] = ["", Promise.resolve("")];
  let isAsked = false;
  const ended = await runDiem(args, (text) => {
    told += text;
    const [, url] = /^Live: (http:\/\/127\.0\.0\.1:\d+\/)$/m.exec(told) ?? [];
    if (url === undefined || isAsked) return;
    isAsked = true;
    page = fetch(url)
      .then((response) => response.text())
      .finally(then);
  });
  return { ...ended, page: await page };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "diem-watch-"));
  const rng = new Rng(0);
  const clean = Float32Array.from({ length: 60 * 4 }, () => rng.normal());
  writeFileSync(path("clean.npy"), encodeNpy(float32(clean, [60, 4])));
  expect((await diem("corrupt", path("clean.npy"), path("obs"))).err).toBe("");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the live view", () => {
  test("train --serve shows the run; watch shows it afterwards, until Ctrl-C", async () => {
    const args = ["train", path("obs"), "--serve", "0", "--out", path("run"), ...SMALL];
    const trained = await visited(args, () => undefined);
    expect(trained.code, trained.err).toBe(0);
    expect(trained.page).toContain("new EventSource");
    const watched = await visited(["watch", path("run"), "--port", "0"], () => process.emit("SIGINT"));
    expect(watched).toMatchObject({ code: 0, out: "No longer watching.\n" });
    expect(watched.page).toContain("1 EM iteration finished");
  });

  test("watch refuses a folder without runs, and ports that cannot be", async () => {
    const { code, err } = await diem("watch", path("nothing"));
    expect([code, err]).toEqual([
      2,
      `Error: ${path("nothing")}: expected a run or a folder of runs, found neither. Give the folder of "diem train --out", or the one above it.\n`,
    ]);
    expect((await diem("watch", path("run"), "--port", "65536")).err).toBe(
      'Error: diem watch: --port must be a whole number from 0 to 65535, got "65536". Give --port N.\n',
    );
  });

  test("--serve takes a port where a number follows", () => {
    const parsed = (...args: string[]) => {
      const read = parseArguments(trainCommand, args);
      return [read.text("serve"), ...read.positionals];
    };
    expect(parsed("--serve", "obs", "--out", "run")).toEqual(["", "obs"]);
    expect(parsed("obs", "--serve")).toEqual(["", "obs"]);
    expect(parsed("--serve", "8080", "obs")).toEqual(["8080", "obs"]);
    expect(parsed("obs", "--serve=8080")).toEqual(["8080", "obs"]);
    expect(parsed("obs")).toEqual([undefined, "obs"]);
  });
});
