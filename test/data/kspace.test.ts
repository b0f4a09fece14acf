import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { kspaceObservations } from "../../src/data/scans/kspace.ts";
import { writeScanObservations } from "../../src/data/scans/scan-observations.ts";
import { openScans } from "../../src/data/scans/scans.ts";
import { input } from "../../src/graph/index.ts";
import { randomColumns } from "../../src/operators/kinds/random-masks.ts";
import { operatorFamily } from "../../src/operators/registry.ts";
import { compile } from "../../src/runtime/compile.ts";
import { expectAllClose } from "../matchers.ts";
import { inTemporaryFolder } from "./temporary.ts";

const SCAN = join(import.meta.dirname ?? ".", "../fixtures/scans/volume.h5");

describe("columns of accelerated k-space", () => {
  test.each([
    [2, 160],
    [4, 80],
    [6, 320 / 6],
    // 60 / 8 and 60 / 32 round up: 16 and 4 columns in the centre.
    [8, 16 + (304 * 200) / 2440],
    [32, 4 + (316 * 200) / 10120],
  ])("at R = %d of 320 are %d on average, the centre always", (R, expected) => {
    const draws = 2000;
    const half = Math.ceil(60 / R);
    let kept = 0;
    for (let i = 0; i < draws; i++) {
      const mask = randomColumns(320, R, new Rng(1).split(R, i));
      expect(mask.subarray(160 - half, 160 + half).includes(0)).toBe(false);
      kept += mask.reduce((a, b) => a + b);
    }
    // Six standard deviations of a mean of binomials, each at most sqrt(320) / 2 columns wide.
    expect(Math.abs(kept / draws - expected)).toBeLessThan((6 * 9) / Math.sqrt(draws));
  });

  test("R = 1 keeps everything, less than 1 is refused", () => {
    expect([...randomColumns(10, 1, new Rng(0))]).toEqual(new Array(10).fill(1));
    expect(() => randomColumns(10, 0.5, new Rng(0))).toThrow(/at least 1, got 0.5/);
  });
});

describe("observations of k-space", () => {
  test.each([1, 2])("with %d channels are what the operator fourier makes, plus noise", async (C) => {
    const [n, H, W] = [40, 12, 9];
    const images = float32(new Float32Array(n * C * H * W), [n, C, H, W]);
    new Rng(4).fillNormal(images.data);
    const made = kspaceObservations(images, {
      acceleration: 2,
      noiseVariance: 0.04,
      addNoise: true,
      rng: new Rng(5),
      startIndex: 0,
    });
    const family = operatorFamily({ name: "fourier", maskShape: [1, 1, W] }, [C, H, W]);
    const inputs = { x: input([n, C, H, W]), mask: input([n, 1, 1, W]) };
    const program = await compile({ inputs, outputs: { y: family.bind(inputs)(inputs.x) } });
    const { y } = await program.run({ x: images, mask: made.data.mask! });
    await program.release();
    const noise: number[] = [];
    made.y.data.forEach((value, i) => {
      const image = Math.floor(i / (2 * H * W));
      if (made.data.mask!.data[image * W + (i % W)] === 1) noise.push(value - Number(y!.data[i]));
      else expect(value).toBe(0);
    });
    const variance = noise.reduce((s, z) => s + z * z, 0) / noise.length;
    // Five standard errors of a mean of squares: 0.04 sqrt(2 / n).
    expect(Math.abs(variance - 0.04)).toBeLessThan(5 * 0.04 * Math.sqrt(2 / noise.length));
  });

  test("are written slice by slice, and do not depend on how many are made together", async () => {
    await inTemporaryFolder(async (folder) => {
      const scans = await openScans([SCAN], { slices: [0, 4] });
      const options = { acceleration: 1, noiseVariance: 1e-10, rng: new Rng(0) };
      const latents: Float32Array[] = [];
      const out = join(folder, "obs");
      const count = await writeScanObservations(scans, out, {
        ...options,
        onLatent: async ({ data }) => {
          latents.push(data);
        },
        // A kill in between must not leave observations that stand in the way of the files beside them.
        onWritten: async () => expect(existsSync(out)).toBe(false),
      });
      const observations = await openObservations(out);
      expect([count, observations.count, latents.length]).toEqual([5, 5, 5]);
      const { y } = await observations.read(3, 4);
      const alone = kspaceObservations(float32(latents[3]!, [1, 1, 8, 6]), {
        ...options,
        addNoise: true,
        startIndex: 3,
      });
      expectAllClose(y, alone.y, { relative: 0 });
      scans.close();
    });
  });
});
