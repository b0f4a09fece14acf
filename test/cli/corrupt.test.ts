import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { normals } from "../diffusion/support.ts";
import { diem } from "./diem.ts";

describe("diem corrupt", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-corrupt-"));
    writeFileSync(path("clean.npy"), encodeNpy(normals(new Rng(0), [3, 1, 8, 6])));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    [["mask", "--deleted", "0.5"], "mask with mask [1, 8, 6]", [1, 8, 6]],
    [["box", "--size", "3", "--margin", "1"], "mask with mask [1, 8, 6]", [1, 8, 6]],
    [["matrix", "--measurements", "4"], "matrix with matrix [4, 48]", [4]],
    [["crop", "--size", "4,2"], "crop, latents", [1, 4, 2]],
    [["subsample", "--step", "3"], "subsample, latents", [1, 3, 2]],
    [["average-pool", "--size", "2"], "average-pool, latents", [1, 4, 3]],
    [["gaussian-blur", "--size", "3", "--deviation", "1"], "blur, latents", [1, 8, 6]],
    [["motion-blur", "--size", "5", "--intensity", "0.2"], "blur with kernel [5, 5]", [1, 8, 6]],
    [["fourier", "--acceleration", "2"], "fourier with mask [1, 1, 6]", [2, 8, 6]],
  ])("--operator %j writes what diem info describes", async ([name, ...options], description, shape) => {
    const made = await diem("corrupt", path("clean.npy"), path(name!), "--operator", name!, ...options);
    expect(made.err).toBe("");
    expect((await openObservations(path(name!))).header.observationShape).toEqual(shape);
    const { out, code } = await diem("info", path(name!));
    expect(code).toBe(0);
    expect(out).toContain("Observations: 3, all checked.");
    expect(out).toContain(`Operator ${description}`);
  });

  test("and import stop at Ctrl-C and leave nothing", async () => {
    writeFileSync(path("many.npy"), encodeNpy(normals(new Rng(0), [2000, 1, 8, 6])));
    const every = '{ "name": "subsample", "step": 1 }';
    const from = ["--y", path("many.npy"), "--operator", every, "--latent-shape", "1,8,6"];
    for (const args of [
      ["corrupt", path("many.npy"), path("stopped")],
      ["import", ...from, "--noise-variance", "1", "--out", path("stopped")],
    ]) {
      const handlers = process.listenerCount("SIGINT");
      const timer = setInterval(() => {
        if (process.listenerCount("SIGINT") > handlers) process.emit("SIGINT");
      }, 1);
      const { code, err } = await diem(...args);
      clearInterval(timer);
      expect(err).toBe(
        `Interrupted: ${path("stopped")}: stopped; nothing was written. Run the command again.\n`,
      );
      expect(code).toBe(130);
      expect(readdirSync(folder).filter((name) => name.includes("stopped"))).toEqual([]);
    }
  });

  test.each([
    [["--range", "0,1"], "--range: expected clean values in [0, 1], found values from -2."],
    [["--deleted", "75"], "deleted must be a share in [0, 1), got 75"],
    [["--operator", "blurr"], "--operator must be one of mask, box"],
    [["--operator", "crop"], "--size is missing"],
    [
      ["--operator", "crop", "--size", "2,x"],
      '--size must be a list of whole numbers >= 1, one for each axis or one for all, got "2,x". Give --size H,W.',
    ],
    [
      ["--operator", "crop", "--size", "9,9"],
      "the window must lie inside latents [1, 8, 6], got size [9, 9]",
    ],
    [["--step", "2"], "--step is no option of operator mask"],
    [["--operator", "fourier"], "--acceleration is missing"],
    [["--operator", "matrix", "--measurements", "0"], "--measurements must be a whole number >= 1"],
    [["--operator", "motion-blur", "--size", "4"], "the kernel must have odd sizes, got [4, 4]"],
    [["--operator", "fourier", "--acceleration", "0.5"], "acceleration must be at least 1, got 0.5"],
  ])("refuses %j", async (options, message) => {
    const { code, err } = await diem("corrupt", path("clean.npy"), path("refused"), ...options);
    expect(err).toContain(message);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(2);
    expect(readdirSync(folder).filter((name) => name.includes("refused"))).toEqual([]);
  });
});
