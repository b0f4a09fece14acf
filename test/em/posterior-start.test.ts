import { Matrix } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { drawAll } from "../../src/inference/draw-source.ts";
import { posteriorLevels } from "../../src/inference/levels.ts";
import type { Model } from "../../src/inference/model.ts";
import { compileGuided, type DrawChoice } from "../../src/inference/posterior.ts";
import { mlp } from "../../src/nn/mlp.ts";
import { column, conditional, covarianceOf, fromRows, randomGaussian } from "../diffusion/dense.ts";
import { momentsOf } from "../diffusion/moments.ts";
import { matrixObservations } from "./observations-in-memory.ts";

const N = 4;
const M = 2;
const COUNT = 4096;
const NOISE = 0.01;

/** A prior whose denoiser is exact, and one observation of it, as often as draws are wanted. */
const gaussian = randomGaussian(new Rng(1), N, 2, 1);
const model: Model = {
  network: mlp({ features: N, width: 4, blocks: 1, embedding: 4 }),
  parameters: undefined,
  gaussian,
  base: "gaussian",
  schedule: { sigmaMin: 0.01, sigmaMax: 10 },
};
const rng = new Rng(2);
const A = Array.from({ length: M * N }, () => rng.normal());
const y = [0.3, -0.5];
const repeated = (values: readonly number[], shape: readonly number[]) =>
  float32(Array.from({ length: COUNT }, () => values).flat(), [COUNT, ...shape]);
const observations = matrixObservations(repeated(y, [M]), repeated(A, [M, N]), NOISE);
const truth = conditional(
  column(gaussian.mean.data),
  covarianceOf(gaussian),
  fromRows(A, M, N),
  Matrix.eye(M).mul(NOISE),
  column(y),
);

type Choice = Pick<DrawChoice, "steps" | "gaussianStart" | "gaussianBelow">;

async function draw(choice: Choice, [from, to]: readonly [number, number], batch: number) {
  const eStep = { sampler: "heun", eta: 0, covariance: "tweedie", cgSteps: M, batch, ...choice } as const;
  await using source = await compileGuided(model, observations, eStep);
  return await drawAll(source, [from, to], { stream: (index) => new Rng(3).split(index) });
}

describe("posterior draws that begin at the Gaussian's", () => {
  test.each<[string, Choice]>([
    ["at a small noise level", { steps: 24, gaussianStart: 0.5 }],
    ["at a large one", { steps: 48, gaussianStart: 5 }],
    ["without products below a level", { steps: 24, gaussianStart: 1, gaussianBelow: 0.2 }],
    ["without products anywhere", { steps: 24, gaussianStart: 1, gaussianBelow: 2 }],
  ])("keep an exact posterior, %s", async (_, choice) => {
    const samples = await draw(choice, [0, COUNT], 1024);
    const { mean, covariance } = momentsOf(samples, truth.mean, truth.covariance);
    // Whitened draws: standard errors 1 / sqrt(4096) = 0.016 of means and at most 0.022 of the covariance's entries;
    // five of them, and 0.02 for the sampler's steps.
    for (const value of mean) expect(Math.abs(value)).toBeLessThan(0.1);
    covariance.forEach((value, i) => {
      expect(Math.abs(value - (i % (N + 1) === 0 ? 1 : 0))).toBeLessThan(0.13);
    });
  });

  test("do not depend on the batch, its last part or the range asked for", async () => {
    const choice = { steps: 4, gaussianStart: 0.5, gaussianBelow: 0.1 };
    const all = await draw(choice, [0, 11], 11);
    const parts = await draw(choice, [0, 11], 4);
    const late = await draw(choice, [4, 11], 4);
    parts.data.forEach((value, i) => {
      expect(value).toBeCloseTo(all.data[i]!, 4);
    });
    expect(late.data).toEqual(rows(parts, 4, 11).data);
  });
});

test("a draw begins between the smallest and the largest level that the network is trained for", () => {
  const levels = (gaussianStart: number | null) =>
    posteriorLevels({ sigmaMin: 0.01, sigmaMax: 30 }, { steps: 2, gaussianStart });
  expect(levels(null)[0]).toBe(30);
  expect(levels(0.5)).toHaveLength(4);
  expect(levels(0.5)[0]).toBe(0.5);
  expect(levels(30)[0]).toBe(30);
  for (const outside of [0.005, 0.01, 31])
    expect(() => levels(outside)).toThrow(
      `eStep.gaussianStart must be above the smallest noise level (0.01) and at most the largest (30), got ${outside}.`,
    );
});
