import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inverse, Matrix } from "ml-matrix";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { memoryRows } from "../../src/data/arrays/array-rows.ts";
import { corruptor } from "../../src/data/corrupt.ts";
import { importObservations, observationsInMemory } from "../../src/data/observations/observation-arrays.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { compileBaselines } from "../../src/em/evaluation/baselines.ts";
import { drawResidual } from "../../src/em/vitals/residual.ts";
import { drawInBatches, gaussianSampler } from "../../src/gaussian/sampler.ts";
import { conditional, covarianceOf, fromRows, randomGaussian } from "../diffusion/dense.ts";
import { normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const [COUNT, M, R] = [5, 4, 2];
const NOISE = 0.04;
const L = normals(new Rng(1), [M, R]);
const y = normals(new Rng(2), [COUNT, M]);
const mask = float32(
  Array.from({ length: COUNT * M }, (_, i) => Number(i % 3 !== 1)),
  [COUNT, M],
);
const parts = { y, data: { mask }, noiseVariance: NOISE, noiseFactor: L };
const seen = (i: number) => Array.from({ length: M }, (_, m) => m).filter((m) => mask.data[i * M + m] === 1);
/** The noise's covariance among some entries of y. */
const covariance = (entries: readonly number[]) => {
  const full = covarianceOf({ mean: L, diagonal: float32(new Float32Array(M).fill(NOISE)), factor: L });
  return full.selection([...entries], [...entries]);
};

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-noise-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("patterns of the noise", () => {
  test("are kept once for the set, and read back", async () => {
    const path = join(folder, "obs");
    const onDisk = { y: memoryRows(y), data: { mask: memoryRows(mask) }, noiseVariance: NOISE };
    await importObservations(path, { ...onDisk, noiseFactor: memoryRows(L) });
    const observations = await openObservations(path);
    expect(observations.header).toMatchObject({ noiseVariance: NOISE, noiseRank: R });
    expect(observations.noiseFactor).toEqual(L);
    const before = await observations.checksum();
    const chunk = join(path, "noise_factor", "c", "0", "0");
    const bytes = readFileSync(chunk);
    bytes[2] = bytes[2]! ^ 1;
    writeFileSync(chunk, bytes);
    expect(await observations.checksum()).not.toBe(before);
  });

  test.each([
    [
      { noiseFactor: normals(new Rng(1), [M + 1, R]) },
      /expected noise_factor float32 \[4, 2\], found float32 \[5, 2\]/,
    ],
    [
      { noiseFactor: float32([0, 1, 2, 3, 4, Number.NaN, 6, 7], [M, R]) },
      /noise_factor, entry 2, column 1: expected a finite number, found NaN/,
    ],
    [{ noiseFactor: float32([], [M, 0]) }, /noiseRank: expected a whole number >= 1, found 0/],
    [{ noiseVariance: 0 }, /noiseVariance: expected a number above 0/],
    [{ noiseVariance: -1 }, /noiseVariance: expected a number above 0.*found -1/],
  ])("and variances are refused where they are wrong: %#", async (change, message) => {
    expect(() => observationsInMemory({ ...parts, ...change })).toThrow(message);
  });

  test.each([
    [0, /observation 2, entry 3: expected a noise variance above 0 and finite, found 0/],
    [-0.5, /observation 2, entry 3: expected a noise variance above 0 and finite, found -0.5/],
  ])("a variance of %f is refused, naming observation and entry", async (value, message) => {
    const noiseVariance = float32(
      Array.from({ length: COUNT * M }, (_, i) => (i === 2 * M + 3 ? value : 1)),
      [COUNT, M],
    );
    await expect(observationsInMemory({ ...parts, noiseVariance }).read(0, COUNT)).rejects.toThrow(message);
  });

  test("must be there if the header says so, and not else", async () => {
    const path = join(folder, "obs");
    const onDisk = { y: memoryRows(y), data: { mask: memoryRows(mask) }, noiseVariance: NOISE };
    await importObservations(path, { ...onDisk, noiseFactor: memoryRows(L) });
    cpSync(path, join(folder, "without"), { recursive: true });
    rmSync(join(folder, "without", "noise_factor"), { recursive: true });
    await expect(openObservations(join(folder, "without"))).rejects.toThrow(
      /noise_factor: expected an array/,
    );
  });
});

describe("with a mask, hidden entries tell nothing of the noise", () => {
  const observations = observationsInMemory(parts);

  test("chi-square and the residual are those of the entries that were seen", async () => {
    const x = normals(new Rng(3), [COUNT, M]);
    const batch = await observations.read(0, COUNT);
    await using baselines = await compileBaselines(observations, COUNT, {});
    const { chiSquare: chi } = await baselines.agreement(batch, x);
    const squares = Array.from({ length: COUNT }, (_, i) => {
      const r = Matrix.columnVector(seen(i).map((m) => y.data[i * M + m]! - x.data[i * M + m]!));
      return r
        .transpose()
        .mmul(inverse(covariance(seen(i))))
        .mmul(r)
        .get(0, 0);
    });
    expectAllClose(
      chi,
      squares.map((value, i) => value / seen(i).length),
      { relative: 1e-4 },
    );
    const measured = squares.reduce((sum, _, i) => sum + seen(i).length, 0);
    const residual = await drawResidual(observations, 0, x, {});
    expect(residual).toBeCloseTo(Math.sqrt(squares.reduce((a, b) => a + b, 0) / measured), 4);
  });

  test("exact draws under a Gaussian have the mean given the entries that were seen", async () => {
    const gaussian = randomGaussian(new Rng(4), M, 2, 1);
    const SAMPLES = 1000;
    const many = (array: HostArray<"float32">) =>
      float32(Array.from({ length: SAMPLES }, () => Array.from(array.data)).flat(), [SAMPLES * COUNT, M]);
    const repeated = observationsInMemory({ ...parts, y: many(y), data: { mask: many(mask) } });
    const mean = new Float64Array(COUNT * M);
    const streams = Array.from({ length: repeated.count }, (_, index) => new Rng(6).split("draw", index));
    const sampler = await gaussianSampler(gaussian, repeated, repeated.count, {});
    const drawn = await drawInBatches(sampler, await repeated.read(0, repeated.count), streams);
    await sampler.release();
    drawn.data.forEach((value, i) => {
      mean[i % mean.length]! += value / SAMPLES;
    });
    for (let i = 0; i < COUNT; i++) {
      const picks = Matrix.zeros(seen(i).length, M);
      seen(i).forEach((m, row) => {
        picks.set(row, m, 1);
      });
      const expected = conditional(
        fromRows(gaussian.mean.data, M, 1),
        covarianceOf(gaussian),
        picks,
        covariance(seen(i)),
        Matrix.columnVector(seen(i).map((m) => y.data[i * M + m]!)),
      );
      for (let m = 0; m < M; m++) {
        const error = Math.sqrt(expected.covariance.get(m, m) / SAMPLES);
        expect(Math.abs(mean[i * M + m]! - expected.mean.get(m, 0)), `entry ${m} of ${i}`).toBeLessThan(
          5 * error,
        );
      }
    }
  });
});

test("simulated noise has the covariance that the header says", async () => {
  const N = 20_000;
  const corrupt = corruptor({ name: "matrix", measurements: M }, [1], {
    noiseVariance: NOISE,
    noiseFactor: L,
    rng: new Rng(5),
  });
  expect(corrupt.header).toMatchObject({ noiseVariance: NOISE, noiseRank: R, observationShape: [M] });
  const { y: noise } = await corrupt.make(float32(new Float32Array(N), [N, 1]), 0);
  await corrupt.release();
  const Y = fromRows(noise.data, N, M);
  const found = Y.transpose().mmul(Y).div(N);
  const expected = covariance([0, 1, 2, 3]);
  for (let i = 0; i < M; i++)
    for (let j = 0; j < M; j++) {
      // Var[y_i y_j] = S_ii S_jj + S_ij^2; five standard errors.
      const error = Math.sqrt((expected.get(i, i) * expected.get(j, j) + expected.get(i, j) ** 2) / N);
      expect(Math.abs(found.get(i, j) - expected.get(i, j))).toBeLessThan(5 * error);
    }
});
