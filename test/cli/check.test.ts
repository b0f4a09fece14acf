import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { checkSizes } from "../../src/em/check.ts";
import { VERDICTS } from "../../src/trust/verdict.ts";
import { diem } from "./diem.ts";

const SMALL = [
  ...["network.width=16", "network.blocks=1", "network.embedding=8", "em.iterations=2", "em.observations=40"],
  ...["eStep.steps=4", "mStep.steps=10", "mStep.finalSteps=10", "mStep.batch=16"],
  ...["figures.prior=4", "figures.gallery=4", "figures.priorSteps=3"],
].flatMap((setting) => ["--set", setting]);

describe("diem check", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);
  const corrupt = async (name: string, mean: number, noise = "0.01") => {
    const rng = new Rng(mean);
    const clean = Float32Array.from({ length: 160 * 3 }, (_, at) => mean + (at % 3) - 1 + rng.normal());
    writeFileSync(path(`${name}.npy`), encodeNpy(float32(clean, [160, 3])));
    const options = ["--deleted", "0.2", "--noise-variance", noise];
    expect((await diem("corrupt", path(`${name}.npy`), path(name), ...options)).err).toBe("");
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-check-"));
    await corrupt("obs", 0);
    await corrupt("others", 3);
    const { code, out } = await diem("train", path("obs"), "--out", path("run"), ...SMALL);
    expect(code).toBeOneOf([0, 3]);
    expect(out).toContain(`diem check ${path("run")}`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("answers every question for people and for programs, and names the shift of another population", async () => {
    const { code, out, err } = await diem("check", path("run"), path("others"), "--json", "--quiet");
    expect(code, err).toBe(0);
    const { verdicts, observations, draws } = JSON.parse(out.trimEnd().split("\n").at(-1)!);
    expect(verdicts.map(({ name }: { name: string }) => name)).toEqual(VERDICTS);
    expect([observations, draws]).toEqual([128, 19]); // the least, for the run took seconds
    const own = Object.fromEntries(verdicts.map((verdict: { name: string }) => [verdict.name, verdict]));
    expect(Object.keys(own.shift)).toEqual([
      "name",
      "level",
      "value",
      "expected",
      "error",
      "because",
      "remedy",
    ]);
    expect(own.shift.level).toBe("wrong");
    expect(own.prior.level).toBe("wrong");
    expect(own.convergence.value).not.toBeNull(); // observations were held out
    const page = readFileSync(path("run/check.html"), "utf8");
    for (const { because } of verdicts.slice(0, 3)) expect(page).toContain(because.slice(1, 20));
    expect(page.match(/<svg/g)!.length).toBeGreaterThan(6);
  });

  test("takes observations of other latents for a mistake", async () => {
    writeFileSync(path("wide.npy"), encodeNpy(float32(new Float32Array(64).fill(1), [16, 4])));
    await diem("corrupt", path("wide.npy"), path("wide"));
    const { code, err } = await diem("check", path("run"), path("wide"), "--quiet");
    expect([code, err]).toEqual([
      2,
      expect.stringContaining("expected latents [3] as in the run, found [4]"),
    ]);
  });

  test("draws for as many observations as a tenth of the training allows, then more for each", () => {
    const sizes = (seconds: number, rate: number, count = 10_000) =>
      checkSizes({ seconds, rate }, count, "images");
    expect(sizes(60, 10)).toEqual({ observations: 32, draws: 19 });
    expect(sizes(1000, 57)).toEqual({ observations: 100, draws: 19 });
    expect(sizes(1000, 1e4)).toEqual({ observations: 256, draws: 199 });
    expect(sizes(1000, 1e4, 20)).toEqual({ observations: 20, draws: 199 });
    expect(checkSizes({ seconds: 60, rate: 10 }, 500, "vectors")).toEqual({ observations: 128, draws: 19 });
  });
});

describe("a run that cannot be trusted", () => {
  test("stops at its first iteration, and goes on with --force", async () => {
    const folder = mkdtempSync(join(tmpdir(), "diem-stop-"));
    try {
      // The range leaves no room for what was measured, so that exact draws are cut off far from their observations.
      const rng = new Rng(1);
      const clean = Float32Array.from({ length: 160 * 3 }, () => 5 * rng.normal());
      writeFileSync(join(folder, "y.npy"), encodeNpy(float32(clean, [160, 3])));
      writeFileSync(join(folder, "mask.npy"), encodeNpy(float32(new Float32Array(480).fill(1), [160, 3])));
      const obs = join(folder, "obs");
      const arrays = ["--y", join(folder, "y.npy"), "--mask", join(folder, "mask.npy"), "--operator", "mask"];
      const options = ["--noise-variance", "0.01", "--range=-1,1", "--out", obs];
      expect((await diem("import", ...arrays, ...options)).err).toBe("");
      const run = ["train", obs, "--out", join(folder, "run"), "--quiet", ...SMALL];
      const { code, err } = await diem(...run);
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(/iteration 1: expected draws .* --resume --force\.$/m),
      ]);
      const forced = await diem(...run, "--resume", "--force");
      expect(forced.code).toBeOneOf([0, 3]);
      expect(forced.err).toMatch(/Warning: iteration 1: expected draws/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
