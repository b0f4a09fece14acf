import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { corruptArrays } from "../../src/cli/commands/corrupt.ts";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { train } from "../../src/em/train.ts";
import { collapseWarnings, type EStepVitals } from "../../src/em/vitals/collapse.ts";
import { predictiveSpread } from "../../src/em/vitals/predictive-spread.ts";
import { faultOfExactDraws, faultOfFirstLoss, faultOfStart, stopFor } from "../../src/em/vitals/stop.ts";
import { fitGaussian } from "../../src/gaussian/start.ts";
import type { CovarianceName } from "../../src/inference/posterior-denoiser.ts";
import { inTemporaryFolder } from "../data/temporary.ts";
import { matrixObservations } from "./observations-in-memory.ts";

const ENGINE = { threads: 1 };
const COUNT = 192;
const SIDE = 8;

/** Smooth images: a wave of random phase and strength along x and one along y. */
function smoothImages() {
  const rng = new Rng(3);
  const data = new Float32Array(COUNT * SIDE * SIDE);
  for (let i = 0; i < COUNT; i++) {
    const [a, b, c, d] = [rng.normal(), rng.normal(), rng.normal(), rng.normal()];
    for (let j = 0; j < SIDE * SIDE; j++) {
      const [y, x] = [Math.floor(j / SIDE) / SIDE, (j % SIDE) / SIDE];
      data[i * SIDE * SIDE + j] =
        0.6 * (a * Math.sin(3 * x) + b * Math.cos(3 * x) + c * Math.sin(3 * y) + d) + 0.05 * rng.normal();
    }
  }
  return float32(data, [COUNT, 1, SIDE, SIDE]);
}

async function observe(folder: string) {
  const path = join(folder, "observations");
  if (!existsSync(path))
    await corruptArrays(smoothImages(), path, {
      corruption: { name: "mask", deleted: 0.6 },
      noiseVariance: 1e-4,
      seed: 1,
    });
  return await openObservations(path);
}

/** The vitals and warnings of a quick run. */
async function run(folder: string, covariance: CovarianceName) {
  const config = mergeConfig(defaultConfig([1, SIDE, SIDE], COUNT), {
    network: { channels: [8], blocks: [1], heads: [0], patch: 2, embedding: 8 },
    schedule: { sigmaMin: 0.02, sigmaMax: 10 },
    start: { rank: 6, iterations: 20, observations: COUNT },
    em: { iterations: 3, observations: 64, finalObservations: 64, buffer: 1 },
    // The sampler of the paper: with the noise of `multistep` Sigma_t scatters 1.6 times as widely, too little to be told from a healthy run.
    eStep: { sampler: "ddpm", steps: 10, covariance, batch: 64 },
    mStep: { steps: 20, finalSteps: 1, batch: 16, learningRate: [3e-3, 3e-3, 1e-3] },
    figures: { gallery: 2, prior: 2, priorSteps: 2 },
  });
  const told: string[] = [];
  const done = await train(await observe(folder), config, {
    out: join(folder, covariance),
    engine: ENGINE,
    onWarning: (text) => told.push(text),
  });
  const figures = await Promise.all([1, 2, 3].map((k) => done.readFigures(k)));
  expect(figures.flatMap(({ warnings = [] }) => warnings)).toEqual(told);
  return { spreads: figures.map(({ eStep }) => eStep.spread!), told };
}

describe("a run", () => {
  test("under Sigma_t warns from the first E-step by diffusion on; under Tweedie's covariance it does not", async () => {
    await inTemporaryFolder(async (folder) => {
      const healthy = await run(folder, "tweedie");
      expect(healthy.told).toEqual([]);
      for (const spread of healthy.spreads) expect(spread).toBeLessThan(1.3);
      const { spreads, told } = await run(folder, "sigma-t");
      expect(spreads[0]).toBe(healthy.spreads[0]); // exact draws of the start, the same in both
      // Wider than the measurements, and off them, in both iterations.
      for (const [k, fault] of [2, 3].flatMap(
        (k) =>
          [
            [k, "draws scatter"],
            [k, "draws miss"],
          ] as const,
      ))
        expect(told.some((text) => text.startsWith(`Iteration ${k}: ${fault}`))).toBe(true);
      for (const text of told) expect(text).toMatch(/ Set eStep.covariance to tweedie \(it is sigma-t\)\.$/);
    });
  }, 120_000);
});

describe("the spread", () => {
  const standard = { mean: float32([0]), diagonal: float32([1]), factor: float32([0], [1, 1]) };
  const pair = (y: readonly number[], a: readonly number[]) => {
    const matrices = float32(a, [2, 1, 1]);
    return matrixObservations(float32(y, [2, 1]), matrices, 0.5);
  };
  const spread = (y: readonly number[], a: readonly number[], x: readonly number[]) =>
    predictiveSpread(pair(y, a), 0, float32(x, [2, 1]), standard, ENGINE);

  test("of two draws is that of the formula", async () => {
    // With A = 1 and S = 1.5 for both: y' = 3 + 1 - 1 and 1 + 2 - 3.
    expect(await spread([1, 2], [1, 1], [1, 3])).toBeCloseTo(9 / 5, 5);
    // With A = 1, 2: S = 1.5, 4.5; y' = 3 + 1 - 1 and 2 + 2 - 6, so (9 / 1.5 + 4 / 4.5) / (1 / 1.5 + 4 / 4.5).
    expect(await spread([1, 2], [1, 2], [1, 3])).toBeCloseTo((6 + 8 / 9) / (2 / 3 + 8 / 9), 5);
  });

  test("is 1 where all operators are the same and draws agree with their observations: nothing can be told", async () => {
    expect(await spread([2, -6], [2, 2], [1, -3])).toBeCloseTo(1, 6);
  });

  test("is about 1 for the clean images, less for pale ones and more for noisy ones", async () => {
    await inTemporaryFolder(async (folder) => {
      const observations = await observe(folder);
      const x = smoothImages();
      const gaussian = await fitGaussian(
        observations,
        { rank: 6, iterations: 20, observations: COUNT },
        new Rng(0),
        ENGINE,
      );
      const of = async (change: (value: number, i: number) => number) =>
        (await predictiveSpread(observations, 0, float32(x.data.map(change), x.shape), gaussian, ENGINE))!;
      const rng = new Rng(4);
      const truth = await of((value) => value);
      expect(truth).toBeGreaterThan(0.8); // 192 images; the start is fitted to the same
      expect(truth).toBeLessThan(1.3);
      // Noise of 0.1 on top of 0.05, where images themselves vary by 0.9: a hundredth of the variance.
      expect(await of((value) => value + 0.1 * rng.normal())).toBeGreaterThan(2 * truth);
      expect(await of(() => 0)).toBeGreaterThan(0);
    });
  });
});

describe("warnings", () => {
  const method = { method: "mmps", covariance: "tweedie" } as const;

  test("stop a run at once where the start's exact draws miss their observations, unless it is forced", () => {
    expect(faultOfExactDraws(1.1)).toBeUndefined();
    for (const residual of [2.1, 28, Number.NaN]) {
      const fault = faultOfExactDraws(residual);
      expect(() => stopFor(fault, {})).toThrow(/^iteration 1: .* exact, .*--resume --force\.$/);
      const told: string[] = [];
      expect(stopFor(fault, { force: true, onWarning: (text) => told.push(text) })).toEqual(told);
      expect(told).toHaveLength(1);
    }
  });

  test("stop a run whose start took all for noise, or whose first loss no unit-scale data can have", () => {
    const start = (variance: number, factor: number) => ({
      mean: float32([0, 0]),
      diagonal: float32([variance, variance]),
      factor: float32([factor, factor], [2, 1]),
    });
    expect(faultOfStart(start(1e-4, 1))).toBeUndefined();
    expect(faultOfStart(start(1e-4, 0.02))).toMatch(/variance of about 1 .*, found 0.0005/);
    expect(faultOfFirstLoss([[10, 0.9]])).toBeUndefined();
    expect(faultOfFirstLoss([])).toBeUndefined();
    expect(
      faultOfFirstLoss([
        [10, 0.9],
        [20, 1e4],
      ]),
    ).toMatch(/found 10000/);
  });

  const history = (spreads: readonly number[], residuals: readonly number[]): EStepVitals[] =>
    spreads.map((spread, i) => ({ iteration: i + 1, spread, residual: residuals[i] }));

  test("are not raised by what healthy runs do", () => {
    const runs = [
      history([0.92, 0.67, 0.67, 0.64, 0.7, 0.67], [1.01, 0.5, 0.51, 0.53, 0.51, 0.51]), // waves, Tweedie
      history([0.64, 0.57], [1.02, 0.18]), // patches of photographs, Tweedie
      history([0.64, 0.68, 0.73, 1.1], [1.02, 0.18, 0.19, 0.2]), // a start that scatters too little
      history([0.95, 0.65, 0.58, 0.51], [1, 0.65, 0.65, 0.65]), // digits, 12 steps of ddpm
      history([1, 1.1, 1.2], [1, 1.3, 1.4]), // tomography, two solver steps
    ];
    for (const run of runs)
      for (let k = 1; k <= run.length; k++) expect(collapseWarnings(run.slice(0, k), method)).toEqual([]);
  });

  test("tell noise that builds up, a prior that shrinks and draws that miss, with a remedy", () => {
    expect(collapseWarnings(history([1, 1.3, 2.34], [1, 1, 1]), method)).toEqual([
      "Iteration 3: draws scatter 2.3 times as widely as the measurements, 2.3 times as widely as at the start: noise builds up in the prior. Take more eStep.cgSteps and eStep.steps, or a smaller mStep.learningRate.",
    ]);
    expect(collapseWarnings(history([1, 0.05], [1, 1]), method)[0]).toMatch(/only 0\.05 times .* shrinks/);
    expect(collapseWarnings(history([1, 1, 1], [1, 1, 1.5]), method)[0]).toMatch(
      /1\.5 times the noise, about 1 expected/,
    );
    expect(collapseWarnings(history([1, 3], [1, 1]), { method: "mmps", covariance: "identity" })[0]).toMatch(
      /tweedie \(it is identity\)/,
    );
    expect(collapseWarnings(history([9], [1]), method)).toEqual([]); // the start's own draws are exact
  });
});
