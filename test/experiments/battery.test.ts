import { join } from "node:path";
import { Matrix } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { calibrationOf } from "../../experiments/battery/calibration.ts";
import { CELLS } from "../../experiments/battery/cells.ts";
import { distanceTo, rootOf } from "../../experiments/battery/distance.ts";
import { distancesOf } from "../../experiments/battery/judge.ts";
import { learn, samplePrior } from "../../experiments/battery/learn.ts";
import { observe, writeObserved } from "../../experiments/battery/measurements.ts";
import {
  type Component,
  drawMixture,
  mixtureInCoordinates,
  momentsOfMixture,
  posteriorOf,
} from "../../experiments/battery/mixture.ts";
import { linearSystems } from "../../experiments/battery/systems.ts";
import { TRUTHS, type Truth } from "../../experiments/battery/truths.ts";
import { float32, hostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { inTemporaryFolder } from "../data/temporary.ts";

const engine = { threads: 1 };

/** The first n latents of a cell and what it measures of them. */
async function measured(name: string, n: number) {
  const cell = CELLS.find((one) => one.name === name)!;
  const truth: Truth = TRUTHS[cell.truth];
  const rng = new Rng(7);
  const latents = float32(drawMixture(truth.components, n, rng), [n, ...truth.latentShape]);
  const { mean } = momentsOfMixture(truth.components);
  return { truth, latents, observed: await observe(latents, mean, cell.measured, cell.noise, rng, engine) };
}

describe("exact posteriors", () => {
  test("of a mixture on a line are those of numerical integration", () => {
    const line: Component[] = [
      { weight: 0.7, mean: Float64Array.of(-1), variances: Float64Array.of(0.5) },
      { weight: 0.3, mean: Float64Array.of(2), variances: Float64Array.of(0.1) },
    ];
    const [a, y, noise] = [1.5, 0.8, 2];
    let [total, first, second] = [0, 0, 0];
    for (let x = -10; x <= 10; x += 1e-3) {
      const prior = line.reduce((sum, { weight, mean, variances }) => {
        const v = variances[0]!;
        return sum + (weight / Math.sqrt(v)) * Math.exp(-((x - mean[0]!) ** 2) / (2 * v));
      }, 0);
      const p = prior * Math.exp(-((y - a * x) ** 2) / (2 * noise));
      total += p;
      first += p * x;
      second += p * x * x;
    }
    const system = { A: new Matrix([[a]]), y: new Matrix([[y]]), noise: new Matrix([[noise]]) };
    const { mean, variance } = posteriorOf(line)(system);
    expect(mean[0]).toBeCloseTo(first / total, 8);
    expect(variance[0]).toBeCloseTo(second / total - (first / total) ** 2, 8);
  });

  // Every operator and kind of noise; 200 observations, whose errors depend on each other: five errors of 0.03.
  test.each([
    "smooth-8x8/blur",
    "smooth-8x8/pool",
    "smooth-8x8/fourier",
    "smooth-7x9/per-entry",
    "gauss-16-decay/correlated",
  ])("of %s have the variance of their errors", async (name) => {
    const { truth, latents, observed } = await measured(name, 200);
    const moments = (await linearSystems(observed, 200, engine)).map(posteriorOf(truth.components));
    const N = sizeOf(truth.latentShape);
    let [squares, variances] = [0, 0];
    for (const [i, { mean, variance }] of moments.entries())
      for (let j = 0; j < N; j++) {
        squares += (latents.data[i * N + j]! - mean[j]!) ** 2;
        variances += variance[j]!;
      }
    expect(Math.abs(squares / variances - 1)).toBeLessThan(0.15);
  });

  test("move with the coordinates", () => {
    const { components } = TRUTHS.lines;
    const shift = hostArray("float64", [2], Float64Array.of(1, -2));
    const scale = hostArray("float64", [2], Float64Array.of(3, 0.5));
    const { mean, covariance } = momentsOfMixture(mixtureInCoordinates(components, { shift, scale }));
    const own = momentsOfMixture(components);
    expect(mean[0]).toBeCloseTo((own.mean[0]! - 1) / 3, 12);
    expect(covariance.get(1, 1)).toBeCloseTo(own.covariance.get(1, 1) / 0.25, 12);
    expect(covariance.get(0, 1)).toBeCloseTo(own.covariance.get(0, 1) / 1.5, 12);
  });
});

describe("distances", () => {
  const normals = (count: number, rng: Rng) => {
    const out = new Float32Array(count);
    rng.fillNormal(out);
    return out;
  };
  const distance = distanceTo(normals, 4096, 1, 1);

  test("of other samples of the truth are nothing but error", () => {
    const found = Array.from({ length: 16 }, (_, i) => distance(normals(4096, new Rng(i + 1))));
    const scaled = found.map(({ squared, error }) => squared / error);
    expect(Math.abs(scaled.reduce((a, b) => a + b, 0)) / 16).toBeLessThan(1);
    expect(Math.max(...found.map(rootOf))).toBeLessThan(0.05);
  });

  test("of shifted normals are the known ones", () => {
    // E|N(d, 2)| = 2 exp(-d^2 / 4) / sqrt(pi) + d erf(d / 2), and 2 / sqrt(pi) without a shift; at d = 1, erf(1/2) = 0.5204998778.
    const exact = 2 * ((2 * Math.exp(-1 / 4)) / Math.sqrt(Math.PI) + 0.5204998778) - 4 / Math.sqrt(Math.PI);
    const { squared, error } = distance(normals(4096, new Rng(3)).map((value) => value + 1));
    expect(Math.abs(squared - exact)).toBeLessThan(4 * error);
    expect(error).toBeLessThan(0.05 * exact);
  });
});

describe("calibration", () => {
  test("of exact draws is perfect, and that of narrow ones is not", async () => {
    const J = 1000;
    const { truth, latents, observed } = await measured("gauss-1/noisy", J);
    const systems = await linearSystems(observed, J, engine);
    const exact = systems.map(posteriorOf(truth.components));
    const rng = new Rng(5);
    const draws = (width: number) => {
      const values = exact.flatMap(({ mean, variance }) =>
        Array.from({ length: 20 }, () => mean[0]! + width * Math.sqrt(variance[0]!) * rng.normal()),
      );
      return calibrationOf(float32(values, [J, 20, 1]), latents, exact, systems, rng.split("ranks"));
    };
    const { coverage, spread, error, chiSquare, ranks, edges } = draws(1);
    for (const [value, sigma, right] of [
      [...coverage, 0.9],
      [...spread, 1],
      [...error, 1],
      [...chiSquare, 1],
      [...edges, 1],
    ] as const)
      expect(Math.abs(value - right)).toBeLessThan(4 * sigma);
    expect(ranks).toBeGreaterThan(1e-3);
    const narrow = draws(0.7);
    expect(narrow.spread[0]).toBeCloseTo(0.49, 1);
    expect(narrow.coverage[0]).toBeLessThan(0.8);
    expect(narrow.edges[0]).toBeGreaterThan(1.3);
    expect(narrow.ranks).toBeLessThan(1e-4);
  });
});

describe("learning", () => {
  // Without M-steps the last prior is the start; with E-steps that ignore y its draws are those of the prior before.
  test("two clusters of which parts are seen end far closer to the truth than their start", async () => {
    const { truth, observed } = await measured("two-2d/mask", 2000);
    const set = ["em.iterations=4", "mStep.steps=150", "mStep.finalSteps=300", "network.width=64"];
    await inTemporaryFolder(async (folder) => {
      await writeObserved(join(folder, "observations"), observed);
      const observations = await openObservations(join(folder, "observations"));
      const run = await learn(observations, join(folder, "run"), {
        seed: 0,
        set,
        minutes: undefined,
        engine,
      });
      const distance = distancesOf(truth, 2048);
      const from = async (k: number) => {
        const samples = await samplePrior(await run.readModel(k), run.info.config, 2048, new Rng(1), engine);
        return rootOf(distance(samples.data));
      };
      const [start, end] = [await from(0), await from(await run.lastIteration())];
      expect(start).toBeGreaterThan(0.25);
      expect(end).toBeLessThan(start / 4);
    });
  }, 240_000);
});
