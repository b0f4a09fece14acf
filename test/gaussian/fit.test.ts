import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { climb, logLikelihood } from "../../src/gaussian/fit.ts";
import { linearObservations } from "../../src/gaussian/linear-observations.ts";
import type { GaussianModel } from "../../src/gaussian/observed-covariance.ts";
import { gaussianSampler } from "../../src/gaussian/sampler.ts";
import { fitGaussian } from "../../src/gaussian/start.ts";
import { matrixObservations, observe } from "../em/observations-in-memory.ts";

const N = 8;
const M = 2;
const COUNT = 8192;
const NOISE = 1e-4;

/** 8-dimensional Gaussian data of rank 3 plus a floor, each seen through its own random 2 x 8 projection. */
function problem() {
  const rng = new Rng(7);
  const mean = Float64Array.from({ length: N }, () => rng.normal());
  const U = Float64Array.from({ length: N * 3 }, () => rng.normal() * 0.7);
  const x = new Float32Array(COUNT * N);
  for (let i = 0; i < COUNT; i++) {
    const z = [rng.normal(), rng.normal(), rng.normal()];
    for (let k = 0; k < N; k++)
      x[i * N + k] = mean[k]! + 0.3 * rng.normal() + z.reduce((s, zj, j) => s + U[k * 3 + j]! * zj, 0);
  }
  const matrices = float32(
    Float32Array.from({ length: COUNT * M * N }, () => rng.normal() / Math.sqrt(N)),
    [COUNT, M, N],
  );
  const y = observe(float32(x, [COUNT, N]), matrices, () => Math.sqrt(NOISE) * rng.normal());
  const covariance = (i: number, j: number) =>
    (i === j ? 0.09 : 0) + [0, 1, 2].reduce((s, k) => s + U[i * 3 + k]! * U[j * 3 + k]!, 0);
  return { observations: matrixObservations(y, matrices, NOISE), mean, covariance };
}

describe("the Gaussian start", () => {
  const { observations, mean, covariance } = problem();

  test("recovers mean and covariance from random 2-dimensional projections of 8-dimensional data", async () => {
    const config = { rank: 3, iterations: 100, observations: COUNT };
    const { mean: found, diagonal, factor } = await fitGaussian(observations, config, new Rng(0));
    const estimate = (i: number, j: number) =>
      (i === j ? diagonal.data[i]! : 0) +
      [0, 1, 2].reduce((s, k) => s + factor.data[i * 3 + k]! * factor.data[j * 3 + k]!, 0);
    let wrong = 0;
    let size = 0;
    for (let i = 0; i < N; i++)
      for (let j = 0; j < N; j++) {
        wrong += (estimate(i, j) - covariance(i, j)) ** 2;
        size += covariance(i, j) ** 2;
      }
    // 8192 x 2 measurements for 8 means of variance about 1.5: a standard error of 0.03 each, taken five times.
    expect(Math.max(...mean.map((m, i) => Math.abs(m - found.data[i]!)))).toBeLessThan(0.15);
    // A covariance from n = 8192 such projections has a relative error of some N / (M sqrt(n)) = 0.05; twice that.
    expect(Math.sqrt(wrong / size)).toBeLessThan(0.1);
  });

  test("its exact draws reproduce the observations to the noise and do not depend on the range asked for", async () => {
    const gaussian = await fitGaussian(
      observations,
      { rank: 3, iterations: 5, observations: 512 },
      new Rng(0),
    );
    const sampler = await gaussianSampler(gaussian, observations, 600, {});
    const draw = async ([start, end]: [number, number]) => {
      const rows: number[] = [];
      for (let first = start; first < end; first += sampler.batch) {
        const stop = Math.min(first + sampler.batch, end);
        const streams = Array.from({ length: stop - first }, (_, i) => new Rng(3).split("draw", first + i));
        rows.push(...(await sampler.draw(await observations.read(first, stop), streams)).data);
      }
      return rows;
    };
    const [all, part] = [await draw([0, 600]), await draw([100, 110])];
    await sampler.release();
    expect(all.length).toBe(600 * N);
    part.forEach((value, i) => {
      expect(value).toBeCloseTo(all[100 * N + i]!, 4);
    });
    const { y, data } = await observations.read(0, 600);
    const predicted = observe(float32(all, [600, N]), data.matrix!, () => 0);
    const squares = predicted.data.reduce((s, value, i) => s + (value - y.data[i]!) ** 2, 0);
    // (y - A x) / sigma is close to standard normal: 1200 squares average to 1 within 5 sqrt(2 / 1200).
    expect(squares / predicted.data.length / NOISE).toBeLessThan(1 + 5 * Math.sqrt(2 / 1200));
  });

  test.each([
    ["rows that fill up the last batch do not count", 600, 8, 4, 1e-8],
    ["more measurements than latents, with little noise", 512, 4, 8, 1e-6],
  ])("keeps its accuracy: %s", async (_, n, size, measurements, variance) => {
    const rng = new Rng(11);
    const normals = (count: number) => Float32Array.from({ length: count }, () => rng.normal());
    const scales = Array.from({ length: size }, (_, i) => (i < 2 ? 1 - i / 2 : 0.05));
    const x = normals(n * size).map((z, i) => z * scales[i % size]!);
    const matrices = float32(normals(n * measurements * size), [n, measurements, size]);
    const y = observe(float32(x, [n, size]), matrices, () => Math.sqrt(variance) * rng.normal());
    const { diagonal, factor } = await fitGaussian(
      matrixObservations(y, matrices, variance),
      { rank: 2, iterations: 60, observations: n },
      new Rng(0),
    );
    for (const i of [0, 1, 2]) {
      const found = diagonal.data[i]! + factor.data[2 * i]! ** 2 + factor.data[2 * i + 1]! ** 2;
      // A variance of n values has the relative standard error sqrt(2 / n), 0.06 at most; five times that.
      expect(Math.abs(found / scales[i]! ** 2 - 1)).toBeLessThan(0.3);
    }
  });

  test("is the likeliest Gaussian: of vectors seen whole, their mean and covariance less the noise's", async () => {
    const rng = new Rng(5);
    const [n, M, variance] = [600, 3, 0.3];
    const identity = float32(
      Float32Array.from({ length: n * M * M }, (_, i) => Number((i % (M * M)) % (M + 1) === 0)),
      [n, M, M],
    );
    const y = float32(
      Float32Array.from({ length: n * M }, (_, i) => (1 + (i % M)) * rng.normal() + (i % M)),
      [n, M],
    );
    const linear = await linearObservations(matrixObservations(y, identity, variance), {}, "fit");
    let found: GaussianModel = {
      mean: new Float64Array(M),
      residual: 1,
      factor: Float64Array.from({ length: M * 2 }, (_, i) => 0.1 * Math.sin(i + 1)),
      rank: 2,
    };
    let steps = 0;
    for await (const gaussian of climb(linear, [0, n], found, new Rng(0))) {
      found = gaussian;
      if (++steps === 200) break;
    }
    await linear.release();
    const { mean, residual, factor } = found;
    const average = (i: number, j?: number) => {
      let total = 0;
      for (let k = 0; k < n; k++) {
        const first = y.data[k * M + i]!;
        total += j === undefined ? first : (first - average_[i]!) * (y.data[k * M + j]! - average_[j]!);
      }
      return total / n;
    };
    const average_ = Array.from({ length: M }, (_, i) => average(i));
    for (let i = 0; i < M; i++) {
      // Of about 10 for the covariance and 4 for the mean, after 200 steps or when float32 data tell no better.
      expect(Math.abs(mean[i]! - average_[i]!)).toBeLessThan(1e-3);
      for (let j = 0; j < M; j++) {
        const U = (row: number, k: number) => factor[row * 2 + k]!;
        const own = (i === j ? residual : 0) + U(i, 0) * U(j, 0) + U(i, 1) * U(j, 1);
        expect(Math.abs(own - (average(i, j) - (i === j ? variance : 0)))).toBeLessThan(5e-3);
      }
    }
  });

  test("is the same whether observations share one operator or have it each", async () => {
    const rng = new Rng(11);
    const [n, rows] = [96, 6];
    const A = Array.from({ length: rows * N }, () => rng.normal());
    const matrices = float32(
      Float32Array.from({ length: n * rows * N }, (_, at) => A[at % A.length]!),
      [n, rows, N],
    );
    const latents = Float32Array.from({ length: n * N }, (_, at) => ((at % N) + 1) * rng.normal());
    const y = observe(float32(latents, [n, N]), matrices, () => rng.normal());
    const each = matrixObservations(y, matrices, 1);
    const config = { rank: 3, iterations: 20, observations: n };
    const own = await fitGaussian(each, config, new Rng(0));
    const shared = await fitGaussian({ ...each, isShared: true }, config, new Rng(0));
    const covariance = ({ diagonal, factor }: typeof own) =>
      Array.from({ length: N * N }, (_, at) => {
        const [i, j] = [Math.floor(at / N), at % N];
        return [0, 1, 2].reduce(
          (sum, a) => sum + factor.data[i * 3 + a]! * factor.data[j * 3 + a]!,
          i === j ? diagonal.data[i]! : 0,
        );
      });
    // Sums in another order, over 20 steps: rounding of float32 results.
    const expected = covariance(own);
    for (const [at, value] of covariance(shared).entries()) expect(value).toBeCloseTo(expected[at]!, 3);
    expect(expected[N * N - 1]!).toBeGreaterThan(1);
  });

  test("does not take noise for latents where an operator shows next to nothing", async () => {
    const rng = new Rng(12);
    const n = 64;
    const gains = Array.from({ length: N }, (_, j) => (j < N / 2 ? 1 : 0.02));
    const matrices = float32(
      Float32Array.from({ length: n * N * N }, (_, at) => {
        const [row, column] = [Math.floor(at / N) % N, at % N];
        return row === column ? gains[row]! : 0;
      }),
      [n, N, N],
    );
    const latents = Float32Array.from({ length: n * N }, (_, at) =>
      at % N < N / 2 ? (1 + (at % N)) * rng.normal() : 0,
    );
    const y = observe(float32(latents, [n, N]), matrices, () => 0.1 * rng.normal());
    const observations = { ...matrixObservations(y, matrices, 0.01), isShared: true };
    const found = await fitGaussian(observations, { rank: 7, iterations: 100, observations: n }, new Rng(0));
    const r = found.factor.shape[1]!;
    const hidden = found.factor.data.slice((N / 2) * r).reduce((sum, value) => sum + value ** 2, 0) / (N / 2);
    const mean = Math.hypot(...found.mean.data.slice(N / 2));
    // What hardly shows is zero, and its noise over the gain 5. Whole steps of EM end at a variance of 1.47 and a mean of 1.29 long.
    expect(hidden).toBeLessThan(0.3);
    expect(mean).toBeLessThan(0.6);
  });

  test("never lowers the likelihood, step after step", async () => {
    const linear = await linearObservations(observations, {}, "fit");
    const factor = Float64Array.from({ length: N * 3 }, (_, i) => 0.1 * Math.sin(i + 1));
    const first = { mean: new Float64Array(N), residual: 1, factor, rank: 3 };
    let before = Number.NEGATIVE_INFINITY;
    let steps = 0;
    for await (const gaussian of climb(linear, [0, 1024], first, new Rng(0))) {
      const { total } = await logLikelihood(linear, [0, 1024], gaussian, new Rng(0));
      expect(total).toBeGreaterThanOrEqual(before);
      before = total;
      if (++steps === 25) break;
    }
    expect(steps).toBe(25);
    await linear.release();
  });
});
