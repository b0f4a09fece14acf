import { Matrix } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { isErrorOf } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { type Mixture, mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { compileSampler, type SamplerSpec } from "../../src/diffusion/sample.ts";
import { SAMPLERS, type SamplerName } from "../../src/diffusion/samplers.ts";
import { checkSchedule, noiseLevels, sigmaAt, VE_DEFAULTS } from "../../src/diffusion/schedule.ts";
import { add, div, mul, sqrt, sub, type Tensor } from "../../src/graph/index.ts";
import { expectAllClose } from "../matchers.ts";
import { column, covarianceOf, randomGaussian } from "./dense.ts";
import { momentsOf, predictedCovariance, streams } from "./moments.ts";
import { evaluate } from "./support.ts";

const FLOAT32 = 1e-6;

describe("noise levels", () => {
  test("run geometrically from the largest to the smallest, then to zero", () => {
    expectAllClose(noiseLevels({ sigmaMin: 0.01, sigmaMax: 100 }, 4), [100, 10, 1, 0.1, 0.01, 0], {
      relative: 1e-14,
    });
  });
  test("of T steps are T + 1 and zero: one evaluation more than steps", () => {
    expect(noiseLevels(VE_DEFAULTS, 64)).toHaveLength(66);
  });
  test("are the paper's at both ends of time", () => {
    expectAllClose(
      [sigmaAt(VE_DEFAULTS, 0), sigmaAt(VE_DEFAULTS, 0.5), sigmaAt(VE_DEFAULTS, 1)],
      [1e-3, Math.sqrt(0.1), 1e2],
    );
  });
  test.each([0, 1.5, 1e9, Number.NaN])("cannot be asked for %d steps", (steps) => {
    expect(() => noiseLevels(VE_DEFAULTS, steps)).toThrow(
      `sampler: steps must be a whole number from 1 to 65536, got ${steps}.`,
    );
  });
  test.each([
    [0, 1],
    [2, 1],
    [1, Number.POSITIVE_INFINITY],
  ])("from %d to %d are refused", (sigmaMin, sigmaMax) => {
    expect(() => checkSchedule({ sigmaMin, sigmaMax }, "schedule")).toThrow(
      `schedule: 0 < sigmaMin < sigmaMax expected, got ${sigmaMin} and ${sigmaMax}.`,
    );
  });
});

describe("steps", () => {
  const step =
    (name: SamplerName) =>
    (denoiser: Denoiser, x: Tensor, t: Tensor, s: Tensor, z: Tensor): Tensor =>
      SAMPLERS[name]().step(denoiser, x, { sigma_r: t, sigma_t: t, sigma_s: s }, [z], []).x_s;
  const [ddpmStep, ddimStep] = [step("ddpm"), step("ddim")];
  // d(x_t) = x_t / 2, so x_t - d = x_t / 2.
  const halve: Denoiser = (x_t) => mul(x_t, 0.5);
  const feeds = {
    x: float32([4, -8], [2, 1]),
    z: float32([1, 2], [2, 1]),
    t: float32([2, 2]),
    s: float32([1, 0]),
  };

  test("of DDPM follow their formula, and end at the denoised mean", async () => {
    const { next } = await evaluate(feeds, ({ x, z, t, s }) => ({ next: ddpmStep(halve, x, t, s, z) }));
    // tau = 3/4: 4 - 3/4 * 2 + 1 * sqrt(3/4) * 1; then sigma_s = 0: -8 / 2.
    expectAllClose(next, float32([2.5 + Math.sqrt(0.75), -4], [2, 1]), { relative: FLOAT32 });
    expect(next.data[1]).toBe(-4);
  });
  test("of DDIM follow theirs", async () => {
    const { next } = await evaluate(feeds, ({ x, z, t, s }) => ({
      next: add(ddimStep(halve, x, t, s, z), mul(z, 0)),
    }));
    expectAllClose(next, float32([3, -4], [2, 1]), { relative: FLOAT32 });
  });
  test("to zero return the denoiser's value to the last bit, even from far away", async () => {
    const far = { ...feeds, x: float32([1e4, 1e4], [2, 1]), s: float32([0, 0]) };
    const point: Denoiser = (x_t) => add(mul(x_t, 0), 0.1);
    const found = await evaluate(far, ({ x, z, t, s }) => ({
      ddpm: ddpmStep(point, x, t, s, z),
      ddim: add(ddimStep(point, x, t, s, z), mul(z, 0)),
    }));
    expect(Array.from(found.ddpm.data)).toEqual([Math.fround(0.1), Math.fround(0.1)]);
    expect(found.ddim.data).toEqual(found.ddpm.data);
  });
});

const SAMPLER_NAMES: SamplerName[] = ["ddpm", "ddim"];

test.each(SAMPLER_NAMES)("%s draws from a Gaussian, up to the known error of its steps", async (sampler) => {
  const n = 3000;
  const gaussian = randomGaussian(new Rng(1), 3, 1, 10);
  const denoiser = () => gaussianDenoiser(gaussian);
  const compiled = await compileSampler({ sampler, shape: [3], batch: n, denoiser });
  const levels = noiseLevels({ sigmaMin: 1e-2, sigmaMax: 50 }, 64);
  const { samples: draws } = await compiled.draw({ streams: streams(1, n), levels, mean: gaussian.mean });
  await compiled.release();
  const expected = predictedCovariance(sampler, levels, covarianceOf(gaussian));
  const { mean, covariance } = momentsOf(draws, column(gaussian.mean.data), expected);
  // Whitened, so four standard errors are 4 / sqrt(n) of a mean and 4 sqrt(2 / n) of a variance.
  expectAllClose(mean, [0, 0, 0], { absolute: 4 / Math.sqrt(n) });
  expectAllClose(covariance, Matrix.eye(3).to1DArray(), { relative: 0, absolute: 4 * Math.sqrt(2 / n) });
});

const half = Math.SQRT1_2;
const MIXTURE: Mixture = {
  weights: float32([0.3, 0.7]),
  means: float32([-2, 1, 1.5, -0.5], [2, 2]),
  variances: float32([0.5, 0.02, 0.1, 0.3], [2, 2]),
  axes: float32([half, half, -half, half, 1, 0, 0, 1], [2, 2, 2]),
};

test.each(SAMPLER_NAMES)("%s reproduces a mixture from its exact denoiser", async (sampler) => {
  const n = 4000;
  const compiled = await compileSampler({
    sampler,
    shape: [2],
    batch: n,
    denoiser: () => mixtureDenoiser(MIXTURE),
  });
  const levels = noiseLevels({ sigmaMin: 1e-3, sigmaMax: 50 }, 256);
  const { samples: draws } = await compiled.draw({ streams: streams(2, n), levels });
  await compiled.release();
  // The components are far apart: the line between the means tells them.
  const isFirst = (row: ArrayLike<number>) => 3.5 * (row[0]! + 0.25) - 1.5 * (row[1]! - 0.25) < 0;
  const rows = Array.from({ length: n }, (_, k) => draws.data.subarray(2 * k, 2 * k + 2));
  const parts = [rows.filter(isFirst), rows.filter((row) => !isFirst(row))];
  const [c, s] = [0.26, 0.24]; // (0.5 + 0.02) / 2 and (0.5 - 0.02) / 2: the first component's axes are diagonal
  const covariances = [
    new Matrix([
      [c, s],
      [s, c],
    ]),
    new Matrix([
      [0.1, 0],
      [0, 0.3],
    ]),
  ];
  parts.forEach((part, k) => {
    const count = part.length;
    const w = MIXTURE.weights.data[k]!;
    // Four standard errors of a share, and 0.01 for steps and for draws on the wrong side of the line.
    expect(Math.abs(count / n - w)).toBeLessThan(4 * Math.sqrt((w * (1 - w)) / n) + 0.01);
    const values = float32(
      part.flatMap((row) => Array.from(row)),
      [count, 2],
    );
    const centre = column(MIXTURE.means.data.subarray(2 * k, 2 * k + 2));
    const { mean, covariance } = momentsOf(values, centre, covariances[k]!);
    // Whitened by the truth. 256 steps lose up to 4 % of the variance (see predictedCovariance); 0.02 for the line.
    expectAllClose(mean, [0, 0], { absolute: 4 / Math.sqrt(count) + 0.02 });
    expectAllClose(covariance, [1, 0, 0, 1], { relative: 0, absolute: 4 * Math.sqrt(2 / count) + 0.06 });
  });
});

describe("a sampler", () => {
  const gaussian = randomGaussian(new Rng(5), 4, 2, 10);
  const levels = noiseLevels({ sigmaMin: 0.01, sigmaMax: 10 }, 8);
  const spec = (batch: number): SamplerSpec => ({
    sampler: "ddpm",
    shape: [2, 2],
    batch,
    // Conditioned so that neighbours could leak: draws around each sample's own `shift`.
    conditions: { shift: [2, 2] },
    denoiser:
      ({ shift }) =>
      (x_t, sigma_t) =>
        add(gaussianDenoiser(gaussian)(sub(x_t, shift!), sigma_t), shift!),
  });
  const shifts = (count: number): HostArray<"float32"> =>
    float32(
      Array.from({ length: 4 * count }, (_, i) => Math.floor(i / 4)),
      [count, 2, 2],
    );

  test("draws the same sample in any batch size, padded or full", async () => {
    const five = await compileSampler(spec(5));
    const eight = await compileSampler(spec(8));
    const { samples: full } = await five.draw({
      streams: streams(3, 5),
      levels,
      conditions: { shift: shifts(5) },
    });
    const { samples: padded } = await eight.draw({
      streams: streams(3, 5),
      levels,
      conditions: { shift: shifts(5) },
    });
    const { samples: two } = await eight.draw({
      streams: streams(3, 2),
      levels,
      conditions: { shift: shifts(2) },
    });
    expect(full.shape).toEqual([5, 2, 2]);
    expect(five.batch).toBe(5);
    // Kernels may add in another order for another batch size: a few roundings of values near 10.
    expectAllClose(padded, full, { relative: FLOAT32 });
    expectAllClose(two.data, full.data.subarray(0, 8), { relative: FLOAT32 });
    await Promise.all([five.release(), eight.release()]);
  });

  test("draws a sample from its own stream, whatever its neighbours do", async () => {
    const sampler = await compileSampler(spec(3));
    const conditions = { shift: shifts(3) };
    const [a, b, c] = [new Rng(1), new Rng(2), new Rng(3)];
    const { samples: one } = await sampler.draw({
      streams: [a, b, c].map((r) => r.split("x")),
      levels,
      conditions,
    });
    const { samples: other } = await sampler.draw({
      streams: [new Rng(7), b, new Rng(8)].map((r) => r.split("x")),
      levels,
      conditions,
    });
    expect(other.data.subarray(4, 8)).toEqual(one.data.subarray(4, 8));
    expect(other.data.subarray(0, 4)).not.toEqual(one.data.subarray(0, 4));
    await sampler.release();
  });

  test("starts around the mean it is given", async () => {
    const sampler = await compileSampler({
      sampler: "ddim",
      shape: [2],
      batch: 2,
      denoiser: () => (x_t) => x_t,
    });
    const { samples: draws } = await sampler.draw({
      streams: streams(1, 2),
      levels: [1e-4, 0],
      mean: float32([5, -7]),
    });
    expectAllClose(draws.data, [5, -7, 5, -7], { absolute: 1e-3 });
    await sampler.release();
  });

  test("reports each step, and stops when told to", async () => {
    const sampler = await compileSampler(spec(2));
    const controller = new AbortController();
    let steps = 0;
    const drawing = sampler.draw({
      streams: streams(1, 2),
      levels,
      conditions: { shift: shifts(2) },
      signal: controller.signal,
      onStep: () => {
        if (++steps === 3) controller.abort();
      },
    });
    const error = await drawing.catch((reason: unknown) => reason);
    expect(isErrorOf(error, "AbortedError")).toBe(true);
    expect(steps).toBe(3);
    await sampler.draw({
      streams: streams(1, 2),
      levels,
      conditions: { shift: shifts(2) },
      onStep: () => steps++,
    });
    expect(steps).toBe(3 + 9);
    await sampler.release();
  });

  test("names the sample that is not finite, and ignores padding", async () => {
    const sampler = await compileSampler({
      sampler: "ddim",
      shape: [1],
      batch: 3,
      conditions: { c: [1] },
      // The root of a negative number is not a number; 0 / 0 neither.
      denoiser:
        ({ c }) =>
        (x_t) =>
          add(mul(x_t, 0), div(sqrt(c!), c!)),
    });
    const draw = (values: number[]) =>
      sampler.draw({
        streams: streams(1, values.length),
        levels,
        conditions: { c: float32(values, [values.length, 1]) },
      });
    const error = await draw([1, -1, 1]).catch((reason: unknown) => reason);
    expect(isErrorOf(error, "NumericalError")).toBe(true);
    expect(String(error)).toContain("sampling: sample 1 of the batch is not finite.");
    expectAllClose((await draw([4, 1])).samples.data, [0.5, 1]);
    await sampler.release();
  });

  test("refuses more streams than its batch, conditions that do not match them, and levels that do not fall", async () => {
    const sampler = await compileSampler(spec(2));
    const conditions = { shift: shifts(3) };
    await expect(sampler.draw({ streams: streams(1, 3), levels, conditions })).rejects.toThrow(
      "sampling: 1 to 2 streams expected, got 3. Draw in several batches.",
    );
    await expect(sampler.draw({ streams: streams(1, 2), levels, conditions })).rejects.toThrow(
      "sampling: shift must have one row per stream, 2, got 3.",
    );
    const request = { streams: streams(1, 2), conditions: { shift: shifts(2) } };
    for (const wrong of [[], [1], [1, 2, 0], [1, 1, 0], [Number.NaN, 0], [1, -1]])
      await expect(sampler.draw({ ...request, levels: wrong })).rejects.toThrow(
        "sampling: expected noise levels that fall to zero, got",
      );
    await sampler.release();
  });
});
