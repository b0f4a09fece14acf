import { Matrix } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { type Gaussian, gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { type Mixture, mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { compileSampler } from "../../src/diffusion/sample.ts";
import type { SamplerOptions } from "../../src/diffusion/samplers/method.ts";
import { SAMPLERS, type SamplerName } from "../../src/diffusion/samplers.ts";
import { noiseLevels, SPACINGS, VE_DEFAULTS } from "../../src/diffusion/schedule.ts";
import { add, mul } from "../../src/graph/index.ts";
import { expectAllClose } from "../matchers.ts";
import { column, covarianceOf, randomGaussian } from "./dense.ts";
import { momentsOf, streams } from "./moments.ts";

const NAMES = Object.keys(SAMPLERS) as SamplerName[];

interface Run {
  readonly name: SamplerName;
  readonly options?: SamplerOptions;
  readonly denoiser: Denoiser;
  readonly levels: readonly number[];
  readonly mean?: Gaussian["mean"];
  readonly features: number;
  readonly count: number;
  readonly seed?: number;
}

/** Draws with a loop of 50 turns inside the engine. */
async function draw({ name, options, denoiser, levels, mean, features, count, seed = 1 }: Run) {
  const sampler = await compileSampler(
    {
      sampler: SAMPLERS[name](options),
      shape: [features],
      batch: count,
      turns: 50,
      denoiser: () => denoiser,
    },
    { threads: 1 },
  );
  const { samples } = await sampler.draw({ streams: streams(seed, count), levels, ...(mean && { mean }) });
  await sampler.release();
  return samples;
}

/** Principal form, whose denoiser is cheap: variances 0.5 twice and 0.5 + |u|^2 along u = (1, -1, 0.5). */
const GAUSSIAN: Gaussian = {
  mean: float32([0.5, -1, 2]),
  diagonal: float32([0.5, 0.5, 0.5]),
  factor: float32([1, -1, 0.5], [3, 1]),
};

/**
 * Error of a variance that T = 300 steps leave, besides the scatter of the draws: first-order samplers with noise lose
 * or gain up to 5 % (measured: 4 %), `pc` holds 1 + tau / 2 times the noise at each level, the others less than 1 %.
 */
const STEPS = 300;
const BIAS = 0.06;

describe.each(NAMES)("%s", (name) => {
  test.each(SPACINGS)("draws from a Gaussian, with noise levels of spacing %s", async (spacing) => {
    const n = 1000;
    const levels = noiseLevels({ sigmaMin: 5e-3, sigmaMax: 40, spacing }, STEPS);
    const { mean } = GAUSSIAN;
    const draws = await draw({
      name,
      denoiser: gaussianDenoiser(GAUSSIAN),
      levels,
      mean,
      features: 3,
      count: n,
    });
    const found = momentsOf(draws, column(mean.data), covarianceOf(GAUSSIAN));
    // Whitened: four standard errors of a mean and of a variance.
    expectAllClose(found.mean, [0, 0, 0], { absolute: 4 / Math.sqrt(n) });
    expectAllClose(found.covariance, Matrix.eye(3).to1DArray(), {
      relative: 0,
      absolute: 4 * Math.sqrt(2 / n) + BIAS,
    });
  });

  test.each([1e-3, 1, 1e2])("returns the denoised mean in a step from %d to zero", async (sigma) => {
    const levels = [sigma * 1.01, sigma, 0];
    const point: Denoiser = (x_t) => add(mul(x_t, 0), 0.1);
    const draws = await draw({ name, denoiser: point, levels, features: 2, count: 3 });
    expect(Array.from(draws.data)).toEqual(new Array(6).fill(Math.fround(0.1)));
  });

  test.each([1e-4, 1e2])(
    "stays finite from 1e2 to 1e-3 in few steps, for data of variance %d",
    async (scale) => {
      const gaussian = {
        mean: float32([3, -3]),
        diagonal: float32([scale, scale]),
        factor: float32([0, 0], [2, 1]),
      };
      const denoiser = () => gaussianDenoiser(gaussian);
      const sampler = await compileSampler({ sampler: name, shape: [2], batch: 2, denoiser }, { threads: 1 });
      for (const spacing of SPACINGS) {
        const levels = noiseLevels({ ...VE_DEFAULTS, spacing }, 12);
        const { samples } = await sampler.draw({ streams: streams(1, 2), levels });
        expect(samples.data.every(Number.isFinite)).toBe(true);
      }
      await sampler.release();
    },
  );
});

const MIXTURE: Mixture = {
  weights: float32([0.3, 0.7]),
  means: float32([-2, 1], [2, 1]),
  variances: float32([0.04, 0.25], [2, 1]),
};

test.each(NAMES)("%s reproduces a mixture", async (name) => {
  const n = 2000;
  const levels = noiseLevels({ sigmaMin: 5e-3, sigmaMax: 40 }, STEPS);
  const draws = await draw({
    name,
    denoiser: mixtureDenoiser(MIXTURE),
    levels,
    features: 1,
    count: n,
    seed: 2,
  });
  // The components are 6 standard deviations and more from -1: it tells them apart.
  const low = Array.from(draws.data).filter((x) => x < -1);
  const high = Array.from(draws.data).filter((x) => x >= -1);
  // Four standard errors each; sigma_1 = 40 instead of infinity moves the share by 1e-3.
  expect(Math.abs(low.length / n - 0.3)).toBeLessThan(4 * Math.sqrt(0.21 / n) + 2e-3);
  for (const [part, mean, deviation] of [
    [low, -2, 0.2],
    [high, 1, 0.5],
  ] as const) {
    const white = part.map((x) => (x - mean) / deviation);
    const average = white.reduce((a, b) => a + b, 0) / part.length;
    const variance = white.reduce((a, b) => a + b ** 2, 0) / part.length;
    expect(Math.abs(average)).toBeLessThan(4 / Math.sqrt(part.length) + 0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / part.length) + BIAS);
  }
});

describe("the probability-flow ODE", () => {
  // Along an eigenvector of variance v the flow of a Gaussian is exact: x - m scales with sqrt(v + sigma^2).
  const range = { sigmaMin: 0.05, sigmaMax: 5 };
  const gaussian: Gaussian = {
    mean: float32([1]),
    diagonal: float32([0.7]),
    factor: float32([0], [1, 1]),
  };
  const flow = (sigma: number) => Math.sqrt(0.7 + sigma ** 2);

  /** |x - exact| at sigmaMin after T steps from the same start, mean over the samples, relative to their size. */
  async function error(name: SamplerName, T: number): Promise<number> {
    const count = 8;
    const levels = noiseLevels(range, T).slice(0, -1);
    const found = await draw({
      name,
      options: { eta: 0 },
      denoiser: gaussianDenoiser(gaussian),
      levels,
      mean: gaussian.mean,
      features: 1,
      count,
    });
    const ratio = flow(range.sigmaMin) / flow(range.sigmaMax);
    const errors = streams(1, count).map((stream, k) => {
      const exact = range.sigmaMax * stream.normal() * ratio;
      return Math.abs((found.data[k]! - 1) / exact - 1);
    });
    return errors.reduce((a, b) => a + b, 0) / count;
  }

  const orders: [SamplerName, number][] = [
    ["euler", 1],
    ["ddim", 1],
    ["heun", 2],
    ["multistep", 2],
  ];
  test.each(orders)("is followed by %s to order %d", async (name, order) => {
    // Halving the steps divides the error by 2^order; float32 enters below 1e-5.
    const [coarse, middle, fine] = [await error(name, 16), await error(name, 32), await error(name, 64)];
    for (const ratio of [coarse / middle, middle / fine]) {
      expect(ratio).toBeGreaterThan(0.8 * 2 ** order);
      expect(ratio).toBeLessThan(1.25 * 2 ** order);
    }
    expect(fine).toBeLessThan(order === 1 ? 0.05 : 2e-3);
  });
});

describe("stochasticity", () => {
  const gaussian = randomGaussian(new Rng(9), 3, 2, 10);
  const levels = noiseLevels({ sigmaMin: 0.02, sigmaMax: 20 }, 20);
  const run = (name: SamplerName, options: SamplerOptions) =>
    draw({ name, options, denoiser: gaussianDenoiser(gaussian), levels, features: 3, count: 4 });

  test("of eta = 1 makes DDIM the ancestral sampler", async () => {
    expectAllClose(await run("ddim", { eta: 1 }), await run("ddpm", {}));
  });
  test("of eta = 0 makes Euler's method on the SDE the deterministic DDIM", async () => {
    expectAllClose(await run("euler", { eta: 0 }), await run("ddim", { eta: 0 }));
  });
  test("is none where a method says that it needs no noise", () => {
    const noises = (name: SamplerName, options: SamplerOptions) => SAMPLERS[name](options).noises;
    for (const name of ["ddim", "euler", "heun"] as const) {
      expect(noises(name, { eta: 0 })).toBe(0);
      expect(noises(name, { eta: 0.5 })).toBe(1);
    }
    expect([0, 1].map((eta) => noises("multistep", { eta }))).toEqual([0, 1]);
    expect([noises("multistep", {}), noises("pc", { corrections: 3 })]).toEqual([1, 3]);
  });
  test("of no corrections leaves the predictor", async () => {
    expectAllClose(await run("pc", { corrections: 0 }), await run("ddim", { eta: 0 }));
  });
  test.each<[SamplerName, SamplerOptions, string]>([
    ["ddim", { eta: 1.5 }, "ddim: eta must be in [0, 1], got 1.5."],
    ["euler", { eta: -1 }, "euler: eta must be >= 0, got -1."],
    ["multistep", { eta: 0.5 }, "multistep: eta must be 0 or 1, got 0.5."],
    ["heun", { eta: Number.NaN }, "heun: eta must be >= 0, got NaN."],
    ["pc", { corrections: 0.5 }, "pc: corrections must be a whole number >= 0, got 0.5."],
    ["pc", { tau: 0 }, "pc: tau must be in (0, 1], got 0."],
  ])("of %s outside its bounds, %j, is refused", (name, options, message) => {
    expect(() => SAMPLERS[name](options)).toThrow(message);
  });
});
