import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { ConfigError, DataError, ShapeError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { corruptMask, corruptor } from "../../src/data/corrupt.ts";
import { createObservations, openObservations } from "../../src/data/observations/observations.ts";
import { gaussianKernel, motionKernel } from "../../src/operators/kinds/blur-kernels.ts";
import { CORRUPTIONS, operatorFamily } from "../../src/operators/registry.ts";
import type { Corruption } from "../../src/operators/simulation.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";
import { inTemporaryFolder } from "./temporary.ts";

const EXAMPLES: Record<Corruption["name"], Corruption> = {
  mask: { name: "mask", deleted: 0.5 },
  box: { name: "box", size: [3, 2], margin: 1 },
  matrix: { name: "matrix", measurements: 4 },
  crop: { name: "crop", size: [4, 5] },
  subsample: { name: "subsample", step: 3 },
  "average-pool": { name: "average-pool", size: 2 },
  "gaussian-blur": { name: "gaussian-blur", size: 5, deviation: 1.2 },
  "motion-blur": { name: "motion-blur", size: 5, intensity: 0.5 },
  fourier: { name: "fourier", acceleration: 2 },
};
const LATENT = [1, 8, 6];
const COUNT = 5;
const VARIANCE = 1e-6;

async function make(corruption: Corruption, images: HostArray<"float32">, start = 0, variance = VARIANCE) {
  const made = corruptor(corruption, images.shape.slice(1), { rng: new Rng(3), noiseVariance: variance });
  const batch = await made.make(images, start);
  await made.release();
  return { batch, header: made.header };
}

describe.each(CORRUPTIONS)("the corruption %s", (name) => {
  const images = normals(new Rng(1), [COUNT, ...LATENT]);

  it("gives A x plus noise, with the data that its header's operator needs, and goes through a folder", () =>
    inTemporaryFolder(async (folder) => {
      const { batch, header } = await make(EXAMPLES[name], images);
      const family = operatorFamily(header.operator, LATENT, header.observationShape);
      const feeds: Record<string, HostArray<"float32">> = { x: images, ...batch.data };
      const { y } = await evaluate(feeds, ({ x, ...data }) => ({ y: family.bind(data)(x!) }));
      // Six standard deviations of the noise.
      expectAllClose(batch.y, y, { relative: 0, absolute: 6 * Math.sqrt(VARIANCE) });
      expect(batch.y.data).not.toEqual(y.data);

      const path = join(folder, "obs");
      const writer = await createObservations(path, header, COUNT, { chunkRows: 2 });
      await writer.append(batch);
      await writer.close();
      const opened = await openObservations(path);
      expect(opened.header).toMatchObject(header);
      const { data, y: stored } = await opened.read(0, COUNT);
      expect(stored).toEqual(batch.y);
      expect(data).toEqual(batch.data);
    }));

  it("depends on the observation's index only", async () => {
    const { batch: all } = await make(EXAMPLES[name], images);
    const { batch: part } = await make(EXAMPLES[name], rows(images, 2, 4), 2);
    expectAllClose(part.y, rows(all.y, 2, 4), { relative: 1e-6 });
    for (const [key, array] of Object.entries(part.data))
      expect(array.data).toEqual(rows(all.data[key]!, 2, 4).data);
  });
});

describe("corruptor", () => {
  it("gives the observations of corruptMask, byte for byte", async () => {
    const images = normals(new Rng(1), [COUNT, 3, 4, 2]);
    const { batch } = await make({ name: "mask", deleted: 0.6 }, images, 7);
    const expected = corruptMask(images, { rng: new Rng(3), deleted: 0.6, startIndex: 7 });
    expect(batch).toEqual(expected);
  });

  it("adds noise of the asked variance", async () => {
    const zeros = float32(new Float32Array(400 * 36), [400, 1, 6, 6]);
    const { y } = (await make({ name: "average-pool", size: 2 }, zeros, 0, 0.25)).batch;
    const variance = y.data.reduce((sum, value) => sum + value * value, 0) / y.data.length;
    expect(Math.abs(variance - 0.25)).toBeLessThan(5 * 0.25 * Math.sqrt(2 / y.data.length));
  });

  it("projects on directions of length one, each observation on its own", async () => {
    const { data } = (await make({ name: "matrix", measurements: 2 }, normals(new Rng(1), [9, 5]))).batch;
    const matrix = data.matrix!;
    const norms = Array.from({ length: 18 }, (_, i) =>
      matrix.data.slice(5 * i, 5 * i + 5).reduce((sum, value) => sum + value * value, 0),
    );
    expectAllClose(norms, new Array(18).fill(1), { relative: 1e-6 });
    expect(rows(matrix, 0, 1).data).not.toEqual(rows(matrix, 1, 2).data);
  });

  it("hides one box within the margins", async () => {
    const { data } = (
      await make({ name: "box", size: [3, 2], margin: 1 }, normals(new Rng(1), [50, 1, 8, 6]))
    ).batch;
    const places = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const hidden = [...rows(data.mask!, i, i + 1).data].flatMap((value, flat) =>
        value === 0 ? [flat] : [],
      );
      const [top, left] = [Math.floor(hidden[0]! / 6), hidden[0]! % 6];
      expect(hidden).toEqual([0, 1, 2].flatMap((k) => [0, 1].map((l) => (top + k) * 6 + left + l)));
      expect(top >= 1 && top <= 4 && left >= 1 && left <= 3).toBe(true);
      places.add(`${top},${left}`);
    }
    // 12 places, each missed by 50 draws with probability (11/12)^50 = 1.3 %.
    expect(places.size).toBeGreaterThanOrEqual(10);
  });

  it("keeps 1 / R of the columns of k-space on average, those in the centre always", async () => {
    const W = 64;
    const images = float32(new Float32Array(300 * W).fill(1), [300, 1, 1, W]);
    const { data } = (await make({ name: "fourier", acceleration: 4 }, images)).batch;
    const kept = data.mask!.data.reduce((sum, value) => sum + value, 0) / 300;
    // Centre of 2 ceil(3) = 6 columns, 58 others with probability 5 / 29: 16 on average, standard deviation 2.9.
    expect(Math.abs(kept - 16)).toBeLessThan((5 * 2.9) / Math.sqrt(300));
    for (let i = 0; i < 300; i++)
      expect([...data.mask!.data.slice(i * W + 29, i * W + 35)]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it.each([
    [{ name: "blurr" }, /operator must be one of mask, box, .*, got "blurr"/, ConfigError],
    [{ name: "mask", deleted: 1 }, /deleted must be a share in \[0, 1\), got 1/, ConfigError],
    [{ name: "box", size: [8, 6] }, /a box of 8 x 6 .* must leave something/, ConfigError],
    [{ name: "gaussian-blur", size: 4, deviation: 1 }, /size must be a positive odd number/, ConfigError],
    [{ name: "gaussian-blur", size: 100_001, deviation: 1 }, /at most \d+ numbers in an array/, ShapeError],
    [{ name: "matrix", measurements: 1e9 }, /at most \d+ numbers in an array/, ShapeError],
    [{ name: "motion-blur", size: 100_001, intensity: 1 }, /at most \d+ numbers in an array/, ShapeError],
    [{ name: "gaussian-blur", size: 5, deviation: 0 }, /deviation must be above 0/, ConfigError],
    [{ name: "motion-blur", size: 5, intensity: 2 }, /intensity must lie in \[0, 1\], got 2/, ConfigError],
    [{ name: "fourier", acceleration: 0.5 }, /acceleration must be at least 1, got 0.5/, ConfigError],
    [{ name: "average-pool", size: 4 }, /size must divide all lengths of \[1, 8, 6\]/, DataError],
    [{ name: "crop", size: [9, 2] }, /the window must lie inside latents \[1, 8, 6\]/, DataError],
  ])("refuses %j", (corruption, message, kind) => {
    const start = () =>
      corruptor(corruption as Corruption, LATENT, { rng: new Rng(0), noiseVariance: VARIANCE });
    expect(start).toThrow(message);
    expect(start).toThrow(kind);
  });
});

describe("blur kernels", () => {
  it("Gaussian: by hand for 3 x 3", () => {
    const e = Math.exp(-0.5);
    const total = (1 + 2 * e) ** 2;
    expectAllClose(
      (gaussianKernel(3, 1, 2) as number[][]).flat(),
      [e * e, e, e * e, e, 1, e, e * e, e, e * e].map((v) => v / total),
    );
  });

  it("motion: positive, of sum one, different for each stream, a line without intensity", () => {
    for (let seed = 0; seed < 50; seed++) {
      const kernel = motionKernel(9, seed / 50, new Rng(seed));
      expect(kernel.every((value) => value >= 0)).toBe(true);
      expectAllClose([kernel.reduce((sum, value) => sum + value, 0)], [1], { relative: 1e-5 });
      expect(kernel).not.toEqual(motionKernel(9, seed / 50, new Rng(seed + 100)));
    }
    const line = motionKernel(9, 0, new Rng(1));
    const moment = (f: (k: number, l: number) => number) =>
      line.reduce((sum, value, i) => sum + value * f(Math.floor(i / 9) - 4, (i % 9) - 4), 0);
    // A centred line: no mean, and its second moments are those of one direction but for the width of a pixel.
    expect(Math.abs(moment((k) => k))).toBeLessThan(0.1);
    expect(Math.abs(moment((_, l) => l))).toBeLessThan(0.1);
    const [a, b, c] = [moment((k) => k * k), moment((k, l) => k * l), moment((_, l) => l * l)];
    const smallest = (a + c - Math.hypot(a - c, 2 * b)) / 2;
    expect(smallest).toBeLessThan(0.2501); // bilinear weights spread by at most a quarter in each direction
    expect(a + c - smallest).toBeGreaterThan(1);
  });
});
