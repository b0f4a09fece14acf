import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { GaussianModel } from "../../src/gaussian/observed-covariance.ts";
import { fitGaussian } from "../../src/gaussian/start.ts";
import { stationary } from "../../src/gaussian/stationary.ts";
import { maskedObservations } from "../em/observations-in-memory.ts";

const SHAPE = [2, 3, 4];
const N = 24;
const RANK = 5;

const rng = new Rng(2);
const normals = (n: number) => Float64Array.from({ length: n }, () => rng.normal());

/** The mean over places of a covariance [N, N], with loops over all pairs of places. */
function averaged(covariance: (i: number, j: number) => number): (i: number, j: number) => number {
  const [, H, W] = SHAPE as [number, number, number];
  const place = (i: number) => [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W] as const;
  const key = (i: number, j: number) => {
    const [[c, h, w], [d, k, v]] = [place(i), place(j)];
    return `${c} ${d} ${h - k} ${w - v}`;
  };
  const sums = new Map<string, [number, number]>();
  for (let i = 0; i < N; i++)
    for (let j = 0; j < N; j++) {
      const [sum, count] = sums.get(key(i, j)) ?? [0, 0];
      sums.set(key(i, j), [sum + covariance(i, j), count + 1]);
    }
  return (i, j) => {
    const [sum, count] = sums.get(key(i, j))!;
    return sum / count;
  };
}

describe("the closest stationary Gaussian", () => {
  const mean = normals(N);
  const factor = normals(N * RANK);
  const given = { mean, residual: 0.5, factor, rank: RANK };
  const level = (i: number) => mean.subarray(i < 12 ? 0 : 12, i < 12 ? 12 : 24).reduce((a, b) => a + b) / 12;
  const product = (U: Float64Array, r: number) => (i: number, j: number) =>
    Array.from({ length: r }, (_, a) => U[i * r + a]! * U[j * r + a]!).reduce((a, b) => a + b, 0);
  const own = product(factor, RANK);
  const expected = averaged((i, j) => own(i, j) + (mean[i]! - level(i)) * (mean[j]! - level(j)));

  test("has one mean for a channel, and the trace and largest eigenvalue of the covariance's average over lags", () => {
    const found = stationary(given, SHAPE, 3, new Rng(0))!;
    const trace = Array.from({ length: N }, (_, i) => expected(i, i)).reduce((a, b) => a + b) + 0.5 * N;
    const squares = found.factor.reduce((sum, value) => sum + value ** 2, 0);
    expect(found.residual * N + squares).toBeCloseTo(trace, 8);
    expect(found.rank).toBe(3);
    for (let i = 0; i < N; i++) expect(found.mean[i]).toBeCloseTo(level(i), 10);
    // The first column is an eigenvector: T u = (|u|^2 + D' - D) u.
    const u = Array.from({ length: N }, (_, i) => found.factor[i * 3]!);
    const value = u.reduce((sum, x) => sum + x * x, 0) + found.residual - 0.5;
    const Tu = u.map((_, i) => u.reduce((sum, x, j) => sum + expected(i, j) * x, 0));
    const off = Math.hypot(...Tu.map((entry, i) => entry - value * u[i]!));
    // Three products with the covariance leave some thousandths of the other directions.
    expect(off / (value * Math.hypot(...u))).toBeLessThan(0.01);
  });

  test("of one that varies nowhere but by its residual is that one", () => {
    const nowhere = { mean: new Float64Array(N), residual: 0.5, factor: new Float64Array(N), rank: 1 };
    expect(stationary(nowhere, SHAPE, 3, new Rng(0))).toMatchObject({ residual: 0.5, rank: 0 });
  });

  test("of a stationary Gaussian is that Gaussian", () => {
    const line = movingAverage(N);
    const found = stationary({ ...line, mean: new Float64Array(N) }, [N], N - 1, new Rng(1))!;
    const [a, b] = [product(line.factor, line.rank), product(found.factor, found.rank)];
    for (let i = 0; i < N; i++)
      for (let j = 0; j < N; j++) {
        const diagonal = Number(i === j);
        expect(b(i, j) + diagonal * found.residual).toBeCloseTo(a(i, j) + diagonal * line.residual, 6);
      }
  });

  test("is what few observations of a stationary line are fitted by", async () => {
    const [n, length] = [48, 64];
    const { factor, rank } = movingAverage(length);
    const values = new Float32Array(n * length);
    for (let i = 0; i < n; i++) {
      const z = normals(rank);
      for (let j = 0; j < length; j++)
        for (let a = 0; a < rank; a++) values[i * length + j]! += factor[j * rank + a]! * z[a]!;
    }
    const mask = float32(
      Float32Array.from({ length: n * length }, () => Number(rng.uniform() < 0.5)),
      [n, length],
    );
    const y = float32(
      values.map((value, at) => (mask.data[at] ? value + 0.1 * rng.normal() : 0)),
      [n, length],
    );
    const found = await fitGaussian(
      maskedObservations(y, mask, 0.01),
      { rank: 63, iterations: 100, observations: n },
      new Rng(0),
    );
    const width = found.factor.shape[1]!;
    const own = product(Float64Array.from(found.factor.data), width);
    let [wrong, size] = [0, 0];
    for (let i = 0; i < length; i++)
      for (let j = 0; j < length; j++) {
        const diagonal = Number(i === j);
        const right = product(factor, rank)(i, j);
        wrong += (own(i, j) + diagonal * found.diagonal.data[i]! - right) ** 2;
        size += right ** 2;
      }
    // 48 x 64 products at each lag, a quarter of them seen, a third independent, leave errors of .06 of the variance at each
    // of 64 lags, against five that are not zero; .5 is twice that. A Gaussian to whom places differ is .72 off.
    expect(Math.sqrt(wrong / size)).toBeLessThan(0.5);
  });
});

/** x_j = (e_j + e_j+1 + e_j+2) / sqrt(3), and a little noise, on a line. */
function movingAverage(length: number): GaussianModel {
  const rank = length + 2;
  const factor = new Float64Array(length * rank);
  for (let j = 0; j < length; j++) for (let a = j; a < j + 3; a++) factor[j * rank + a] = Math.sqrt(1 / 3);
  return { mean: new Float64Array(length), residual: 0.1, factor, rank };
}
