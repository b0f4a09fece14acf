import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { diem } from "./diem.ts";

const SMALL = [
  ...["network.width=16", "network.blocks=1", "network.embedding=8", "eStep.steps=3", "eStep.batch=16"],
  ...[
    "em.iterations=2",
    "em.observations=32",
    "em.finalObservations=32",
    "mStep.steps=4",
    "mStep.finalSteps=4",
  ],
  ...["figures.prior=4", "figures.gallery=2", "figures.priorSteps=3"],
].flatMap((setting) => ["--set", setting]);

describe("diem draw and train --until", () => {
  let folder = "";
  const path = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-draw-"));
    const rng = new Rng(0);
    const clean = Float32Array.from({ length: 60 * 3 }, () => rng.normal());
    writeFileSync(path("clean.npy"), encodeNpy(float32(clean, [60, 3])));
    await diem("corrupt", path("clean.npy"), path("obs"), "--deleted", "0.2", "--noise-variance", "0.01");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("share out an iteration, and say how to go on", async () => {
    const stopped = await diem("train", path("obs"), "--out", path("run"), "--until", "1", ...SMALL);
    expect(stopped.code, stopped.err).toBe(0);
    expect(stopped.out).toContain(
      `Stopped after iteration 1, of 2 iterations. Go on with --resume; to share out the draws before: diem draw ${path("run")} --iteration 2 --shard I/N`,
    );
    const share = await diem("draw", path("run"), "--iteration", "2", "--shard", "2/2");
    expect(share.out).toBe("Iteration 2, share 2 of 2: 16 draws, 16 of them made now.\n");
    const { out } = await diem("draw", path("run"), "--shard", "2/2", "--json");
    const again = JSON.parse(out.trim().split("\n").at(-1)!);
    expect(again).toMatchObject({ iteration: 2, draws: 16, drawn: 0, index: 2, count: 2 });
    const ended = await diem("train", path("obs"), "--out", path("run"), "--resume");
    expect(ended.code, ended.err).toBe(0);
    const late = await diem("draw", path("run"), "--iteration", "2", "--shard", "1/2");
    expect(late).toMatchObject({ code: 0, out: "Iteration 2, share 1 of 2: nothing to draw.\n" });
  });

  test.each(["0/2", "3/2", "1", "1/0", "a/b"])("refuses the share %s", async (shard) => {
    const { code, err } = await diem("draw", path("run"), "--shard", shard);
    expect(code).toBe(2);
    expect(err).toContain(`--shard must be I/N with I from 1 to N, as 1/4, got "${shard}".`);
  });
});
