import { determinant, inverse, Matrix } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { float32, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { type Denoiser, normalDenoiser } from "../../src/diffusion/denoiser.ts";
import { gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import { add, constant, matmul, mul, sin, square, type Tensor } from "../../src/graph/index.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { compileTwisted, type TwistedSpec } from "../../src/posterior/particles/tds.ts";
import type { Measurement } from "../../src/posterior/posterior.ts";
import { column, conditional, covarianceOf, fromRows, randomGaussian } from "../diffusion/dense.ts";
import { predictedCovariance, streams } from "../diffusion/moments.ts";
import { normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

/** A prior on N features seen through one M x N matrix per observation. */
function spec(denoiser: Denoiser, N: number, M: number, variance: number, batch: number): TwistedSpec {
  return {
    shape: [N],
    batch,
    conditions: { A: [M, N], y: [M] },
    denoiser,
    measurement: ({ A, y }) => ({ operator: matrix(A!), y: y!, variance }),
  };
}

describe("twisted sampling of a Gaussian", () => {
  const [N, M, n] = [3, 2, 2];
  const variance = 0.05;
  const gaussian = randomGaussian(new Rng(51), N, 1, 4);
  const A = normals(new Rng(52), [n, M, N]);
  const y = normals(new Rng(53), [n, M]);
  const conditions = { A, y };
  const start = { mean: gaussian.mean, streams: streams(54, n), conditions };

  test("is exact for the prior that the ancestral steps discretize, evidence included", async () => {
    const K = 1500;
    const levels = noiseLevels({ sigmaMin: 0.01, sigmaMax: 30 }, 12);
    const sampler = await compileTwisted(spec(gaussianDenoiser(gaussian), N, M, variance, 1000));
    const found = await sampler.draw({ ...start, levels, particles: K });
    await sampler.release();
    expect(found.samples.shape).toEqual([n, N]);
    expect(found.particles.shape).toEqual([n, K, N]);
    expect(found.effectiveSizes).toHaveLength(13);
    expect(Array.from(found.breakdown)).toEqual([0, 0]);
    const prior = predictedCovariance("ddpm", levels, covarianceOf(gaussian));
    for (let i = 0; i < n; i++) {
      const own = fromRows(rows(A, i, i + 1).data, M, N);
      const seen = column(rows(y, i, i + 1).data);
      const mean = column(gaussian.mean.data);
      const noise = Matrix.eye(M).mul(variance);
      const truth = conditional(mean, prior, own, noise, seen);
      const weights = found.weights.subarray(i * K, (i + 1) * K);
      const moments = weightedMoments(rows(found.particles, i, i + 1).data, weights, N);
      // In the posterior's own deviations: with some 500 independent particles the standard error is 0.045; five of
      // them. The weights of the same particles give the evidence, to about 0.05; four of them.
      const error = Matrix.sub(moments.mean, truth.mean).to1DArray();
      error.forEach((value, k) => {
        expect(Math.abs(value) / Math.sqrt(truth.covariance.get(k, k))).toBeLessThan(0.22);
      });
      expect(Matrix.sub(moments.covariance, truth.covariance).norm() / truth.covariance.norm()).toBeLessThan(
        0.25,
      );
      const S = own.mmul(prior).mmul(own.transpose()).add(noise);
      expect(Math.abs(found.logEvidence[i]! - logNormal(Matrix.sub(seen, own.mmul(mean)), S))).toBeLessThan(
        0.2,
      );
    }
  });

  test("keeps guided means inside limits, and its weights account for that", async () => {
    const levels = noiseLevels({ sigmaMin: 0.01, sigmaMax: 30 }, 12);
    const each = (limit: number) => float32(new Float32Array(N).fill(limit), [1, N]);
    const draw = async (limits?: readonly [number, number]) => {
      const sampler = await compileTwisted({
        ...spec(gaussianDenoiser(gaussian), N, M, variance, 500),
        limits: limits && [each(limits[0]), each(limits[1])],
      });
      const found = await sampler.draw({ ...start, levels, particles: 500 });
      await sampler.release();
      return found;
    };
    const free = await draw();
    const wide = await draw([-1e3, 1e3]);
    expectAllClose(wide.particles.data, free.particles.data, { absolute: 1e-4 });
    const narrow = await draw([-0.5, 0.5]);
    expect(Math.max(...narrow.particles.data.map(Math.abs))).toBeLessThanOrEqual(0.5 + 1e-6);
    // Worse proposals, the same target.
    expect(Math.min(...narrow.effectiveSizes.map((sizes) => sizes[0]!))).toBeLessThan(
      Math.min(...free.effectiveSizes.map((sizes) => sizes[0]!)),
    );
  });

  test("keeps nearly constant weights when steps are fine, without resampling", async () => {
    const sampler = await compileTwisted({
      ...spec(gaussianDenoiser(gaussian), N, M, variance, 64),
      threshold: 0,
    });
    const ends = async (steps: number) => {
      const levels = noiseLevels({ sigmaMin: 0.02, sigmaMax: 20 }, steps);
      const { effectiveSizes } = await sampler.draw({ ...start, levels, particles: 64 });
      return Array.from(effectiveSizes.at(-1)!, (size) => size / 64);
    };
    const [coarse, fine] = [await ends(8), await ends(256)];
    await sampler.release();
    expect(Math.min(...fine)).toBeGreaterThan(0.8);
    for (let i = 0; i < n; i++) expect(fine[i]!).toBeGreaterThan(coarse[i]!);
  });

  test("depends neither on the batch nor on the other observations", async () => {
    const levels = noiseLevels({ sigmaMin: 0.1, sigmaMax: 10 }, 4);
    const draw = async (batch: number, which: number[]) => {
      const sampler = await compileTwisted(spec(gaussianDenoiser(gaussian), N, M, variance, batch));
      const all = streams(54, n);
      const pick = (array: typeof A) => rows(array, which[0]!, which.at(-1)! + 1);
      const found = await sampler.draw({
        levels,
        mean: gaussian.mean,
        particles: 10,
        streams: which.map((i) => all[i]!),
        conditions: { A: pick(A), y: pick(y) },
      });
      await sampler.release();
      return found;
    };
    const together = await draw(7, [0, 1]);
    const alone = await draw(16, [1]);
    expect(Array.from(alone.logEvidence)[0]).toBeCloseTo(together.logEvidence[1]!, 3);
    for (let i = 0; i < 10 * N; i++)
      expect(alone.particles.data[i]).toBeCloseTo(together.particles.data[10 * N + i]!, 3);
  });
});

describe("twisted sampling of a posterior with two modes", () => {
  // The first feature is observed, the second tells the modes apart. To second order the two are uncorrelated, so a
  // Gaussian approximation learns nothing of the mode: its share stays near a half where the posterior's is 0.85.
  const mixture = {
    weights: float32([0.5, 0.5]),
    means: float32([0, 2, 0, -2], [2, 2]),
    variances: float32([0.02, 0.2, 1, 0.2], [2, 2]),
  };
  const variance = 0.01;
  const density = (total: number) => Math.exp(logNormal(column([0]), column([total])));
  const exact = density(0.02 + variance) / (density(0.02 + variance) + density(1 + variance));

  test("gives the modes their exact shares as particles grow", async () => {
    const sampler = await compileTwisted(spec(mixtureDenoiser(mixture), 2, 1, variance, 512));
    const share = async (particles: number, n: number) => {
      const found = await sampler.draw({
        streams: streams(55, n),
        levels: noiseLevels({ sigmaMin: 0.01, sigmaMax: 20 }, 64),
        particles,
        conditions: {
          A: float32(
            Array.from({ length: 2 * n }, (_, i) => Number(i % 2 === 0)),
            [n, 1, 2],
          ),
          y: float32(new Float32Array(n), [n, 1]),
        },
      });
      let total = 0;
      found.weights.forEach((weight, k) => {
        if (found.particles.data[2 * k + 1]! > 0) total += weight / n;
      });
      return total;
    };
    const errors = [await share(1, 512), await share(16, 32), await share(512, 1)].map((value) =>
      Math.abs(value - exact),
    );
    await sampler.release();
    expect(exact).toBeCloseTo(0.853, 3);
    // One particle is MMPS. Standard errors are about 0.02 for one and 0.03 for 512 particles, and 64 steps discretize
    // the prior to about 0.02.
    expect(errors[0]).toBeGreaterThan(0.2);
    expect(errors[1]).toBeLessThan(errors[0]! / 2);
    expect(errors[2]).toBeLessThan(0.1);
  });
});

describe("twisted sampling at its limits", () => {
  const N = 3;
  test("stays finite without noise, with redundant rows and a crooked Jacobian, and says so", async () => {
    const mixing = constant(normals(new Rng(56), [N, N]));
    const crooked: Denoiser = (x_t) => sin(matmul(x_t, mixing));
    const sampler = await compileTwisted(spec(crooked, N, 3, 0, 8));
    const found = await sampler.draw({
      streams: streams(57, 1),
      levels: noiseLevels({ sigmaMin: 1e-3, sigmaMax: 1e2 }, 5),
      particles: 8,
      conditions: {
        A: float32([1, 2, 0, 1, 2, 0, 0, 0, 0], [1, 3, N]),
        y: float32([0.1, 0.1, 0], [1, 3]),
      },
    });
    await sampler.release();
    expect(found.particles.data.every(Number.isFinite)).toBe(true);
    expect(Number.isFinite(found.logEvidence[0])).toBe(true);
    expect(found.breakdown[0]).toBeGreaterThan(0);
  });

  test("takes a differentiable operator that is not linear", async () => {
    const sampler = await compileTwisted({
      shape: [N],
      batch: 16,
      conditions: { y: [N] },
      denoiser: normalDenoiser,
      measurement: ({ y }): Measurement => ({
        operator: (x: Tensor) => add(x, mul(x, square(x))),
        y: y!,
        variance: 1e-4,
        linear: false,
      }),
    });
    const { samples } = await sampler.draw({
      streams: streams(58, 1),
      levels: noiseLevels({ sigmaMin: 1e-3, sigmaMax: 20 }, 64),
      particles: 16,
      conditions: { y: float32([2, 0, -10], [1, N]) },
    });
    await sampler.release();
    // x + x^3 = 2, 0, -10 at 1, 0, -2, with slopes of at least 1: within five deviations of the noise.
    [1, 0, -2].forEach((truth, i) => {
      expect(Math.abs(samples.data[i]! - truth)).toBeLessThan(0.05);
    });
  });

  test("refuses many measurements, other samplers and requests that make no sense", async () => {
    const many = spec(normalDenoiser, 300, 257, 1, 1);
    await expect(compileTwisted(many)).rejects.toThrow(
      'at most 256 measurements expected, found 257. Each particle would need 257 vector-Jacobian products and a dense 257 x 257 covariance a step. If a mask hides many of them, leave those out (the option visible of compileTwisted); else use the posterior method "mmps"',
    );
    const few = spec(normalDenoiser, 2, 1, 1, 4);
    await expect(compileTwisted({ ...few, sampler: "ddim" })).rejects.toThrow(
      'twisted sampling: the sampler must be "ddpm", got "ddim"',
    );
    await expect(compileTwisted({ ...few, threshold: 2 })).rejects.toThrow(
      "threshold must be in [0, 1], got 2",
    );
    const sampler = await compileTwisted(few);
    const request = {
      streams: streams(59, 1),
      levels: [1, 0],
      particles: 1,
      conditions: { A: normals(new Rng(1), [1, 1, 2]), y: normals(new Rng(2), [1, 1]) },
    };
    await expect(sampler.draw({ ...request, particles: 0 })).rejects.toThrow(
      "particles must be a whole number",
    );
    await expect(sampler.draw({ ...request, levels: [1, 2, 0] })).rejects.toThrow("levels that fall to zero");
    await expect(sampler.draw({ ...request, streams: streams(59, 2) })).rejects.toThrow(
      "one row per stream, 2, got 1",
    );
    await expect(sampler.draw({ ...request, mean: float32([1]) })).rejects.toThrow(
      "mean must have the size of one sample, 2, got 1",
    );
    await expect(sampler.draw({ ...request, signal: AbortSignal.abort() })).rejects.toThrow("stopped");
    await sampler.release();
  });
});

/** ln N(offset | 0, S). */
function logNormal(offset: Matrix, S: Matrix): number {
  const quadratic = offset.transpose().mmul(inverse(S)).mmul(offset).get(0, 0);
  return -0.5 * (quadratic + Math.log(determinant(S)) + offset.rows * Math.log(2 * Math.PI));
}

function weightedMoments(particles: ArrayLike<number>, weights: Float64Array, N: number) {
  const mean = Matrix.zeros(N, 1);
  const at = (k: number) => column(Array.from({ length: N }, (_, i) => particles[k * N + i]!));
  weights.forEach((weight, k) => {
    mean.add(at(k).mul(weight));
  });
  const covariance = Matrix.zeros(N, N);
  weights.forEach((weight, k) => {
    const offset = at(k).sub(mean);
    covariance.add(offset.mmul(offset.transpose()).mul(weight));
  });
  return { mean, covariance };
}
