import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { diem } from "./diem.ts";

const set = (...settings: string[]) => settings.flatMap((setting) => ["--set", setting]);
const SMALL = set(
  "network.width=16",
  "network.blocks=1",
  "network.embedding=8",
  "eStep.steps=3",
  "figures.prior=4",
  "figures.gallery=2",
  "figures.priorSteps=3",
);

describe("the length of a run", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);
  const configOf = (run: string) => JSON.parse(readFileSync(path(`${run}/run.json`), "utf8")).config;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-length-"));
    const rng = new Rng(0);
    const clean = Float32Array.from({ length: 60 * 3 }, () => rng.normal());
    writeFileSync(path("clean.npy"), encodeNpy(float32(clean, [60, 3])));
    await diem("corrupt", path("clean.npy"), path("obs"), "--deleted", "0.2", "--noise-variance", "0.01");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("follows from --minutes, but for what is set, is told at the start and kept in the run", async () => {
    const own = set("em.iterations=2", "mStep.batch=16");
    const { code, err } = await diem(
      ...["train", path("obs"), "--out", path("run"), "--minutes", "0.02", ...SMALL, ...own],
    );
    expect(code, err).toBe(0);
    const { em, mStep } = configOf("run");
    expect(em.iterations).toBe(2);
    expect(em.observations).toBeLessThanOrEqual(60);
    const said =
      /takes about .* here: 2 iterations, each of (\d+) draws and (\d+) optimizer steps \((\d+) in the last\)/;
    expect(said.exec(err)?.slice(1).map(Number)).toEqual([em.observations, mStep.steps, mStep.finalSteps]);
    expect(mStep.steps).not.toBe(600);
  });

  test("a finished run goes on for more iterations, or for more minutes", async () => {
    const again = async (...more: string[]) =>
      await diem("train", path("obs"), "--out", path("run"), "--resume", ...more);
    const iterations = async () => await (await RunFolder.open(path("run"))).lastIteration();
    const { code, err } = await again(...set("em.iterations=3"));
    expect(code, err).toBe(0);
    expect(await iterations()).toBe(3);
    expect((await diem("info", path("run"))).out).toContain("3 of 3 iterations are complete");
    await again("--minutes", "0.0001");
    expect(await iterations()).toBe(4);
    const fewer = await again(...set("em.iterations=2"));
    expect(fewer.err).toContain("or more em.iterations, found another em.iterations");
    expect(fewer.code).toBe(2);
  });

  test("is a number above 0, and needs an iteration to go on from", async () => {
    for (const minutes of ["0", "-1", "soon"]) {
      const args = ["train", path("obs"), "--out", path("new"), `--minutes=${minutes}`];
      const { code, err } = await diem(...args);
      expect(err).toMatch(/--minutes must be a number above 0, got/);
      expect(code).toBe(2);
    }
    rmSync(path("run/iterations"), { recursive: true });
    const { err } = await diem("train", path("obs"), "--out", path("run"), "--resume", "--minutes", "1");
    expect(err).toContain("expected a run with a complete iteration");
  });

  test("an existing run is refused before anything is timed", async () => {
    const { code, err } = await diem("train", path("obs"), "--out", path("run"), "--minutes", "1");
    expect(err).toMatch(/^Error: .*found one. Continue it with --resume/);
    expect(code).toBe(2);
  });
});
