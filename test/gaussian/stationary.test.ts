import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { alongCosines } from "../../src/gaussian/cosines.ts";
import type { GaussianModel } from "../../src/gaussian/observed-covariance.ts";
import { fitGaussian } from "../../src/gaussian/start.ts";
import { stationary } from "../../src/gaussian/stationary.ts";
import { maskedObservations } from "../em/observations-in-memory.ts";

const SHAPE = [2, 3, 4];
const N = 24;
const RANK = 5;

const rng = new Rng(2);
const normals = (n: number) => Float64Array.from({ length: n }, () => rng.normal());

/** Orthonormal cosines over the places of a 3 x 4 grid, [f, p]. */
function cosineOf(f: number, p: number): number {
  const [n, m] = [3, 4];
  const axis = (length: number, k: number, x: number) =>
    Math.sqrt((k === 0 ? 1 : 2) / length) * Math.cos((Math.PI * k * (x + 0.5)) / length);
  return axis(n, Math.floor(f / m), Math.floor(p / m)) * axis(m, f % m, p % m);
}

// 24 is halved three times; each of its halvings divides by a cosine, the least of which is .07.
test.each([24, 15, 1])(
  "cosines of %i places are what the formula says, and their inverse is their transpose",
  (n) => {
    const width = 3;
    const values = normals(2 * n * width);
    const strengths = alongCosines(values, [n], width, "analysis");
    for (let c = 0; c < 2; c++)
      for (let f = 0; f < n; f++)
        for (let a = 0; a < width; a++) {
          let expected = 0;
          for (let p = 0; p < n; p++)
            expected += Math.cos((Math.PI * f * (p + 0.5)) / n) * values[(c * n + p) * width + a]!;
          expected *= Math.sqrt((f === 0 ? 1 : 2) / n);
          expect(strengths[(c * n + f) * width + a]).toBeCloseTo(expected, 12);
        }
    const back = alongCosines(strengths, [n], width, "synthesis");
    for (const [at, value] of values.entries()) expect(back[at]).toBeCloseTo(value, 12);
  },
);

describe("the closest Gaussian of independent cosines", () => {
  const mean = normals(N);
  const factor = normals(N * RANK);
  const given = { mean, residual: 0.5, factor, rank: RANK };
  const level = (i: number) => mean.subarray(i < 12 ? 0 : 12, i < 12 ? 12 : 24).reduce((a, b) => a + b) / 12;
  const product = (U: Float64Array, r: number) => (i: number, j: number) =>
    Array.from({ length: r }, (_, a) => U[i * r + a]! * U[j * r + a]!).reduce((a, b) => a + b, 0);
  const covarianceOf = ({ factor: U, rank, residual }: GaussianModel) => {
    const own = product(U, rank);
    return (i: number, j: number) => own(i, j) + Number(i === j) * residual;
  };
  /** Of frequency f in channel c with frequency g in channel d. */
  const between =
    (covariance: (i: number, j: number) => number) => (c: number, f: number, d: number, g: number) => {
      let total = 0;
      for (let p = 0; p < 12; p++)
        for (let q = 0; q < 12; q++)
          total += cosineOf(f, p) * covariance(c * 12 + p, d * 12 + q) * cosineOf(g, q);
      return total;
    };

  test("keeps what channels share at each frequency, and nothing between frequencies", () => {
    const found = stationary(given, SHAPE, N - 1);
    const own = covarianceOf(given);
    const expected = between((i, j) => own(i, j) + (mean[i]! - level(i)) * (mean[j]! - level(j)));
    const actual = between(covarianceOf(found));
    for (let i = 0; i < N; i++) expect(found.mean[i]).toBeCloseTo(level(i), 10);
    for (const [c, d] of [
      [0, 0],
      [0, 1],
      [1, 1],
    ] as const)
      for (let f = 0; f < 12; f++)
        for (let g = 0; g < 12; g++)
          expect(actual(c, f, d, g)).toBeCloseTo(f === g ? expected(c, f, d, g) : 0, 8);
  });

  test("keeps the trace where it has fewer directions, the largest ones", () => {
    const [all, few] = [stationary(given, SHAPE, N - 1), stationary(given, SHAPE, 3)];
    const lengths = ({ factor: U, rank, residual }: GaussianModel) =>
      Array.from(
        { length: rank },
        (_, a) => residual + U.reduce((sum, x, at) => sum + (at % rank === a ? x * x : 0), 0),
      );
    const [own, largest] = [lengths(all), lengths(few)];
    expect(few.rank).toBe(3);
    for (let a = 0; a < 3; a++) expect(largest[a]).toBeCloseTo(own[a]!, 8);
    const rest = own.slice(3).reduce((sum, value) => sum + value, all.residual * (N - all.rank));
    expect(few.residual).toBeCloseTo(rest / (N - 3), 8);
  });

  test("of one that varies nowhere but by its residual is that one", () => {
    const nowhere = { mean: new Float64Array(N), residual: 0.5, factor: new Float64Array(N), rank: 1 };
    expect(stationary(nowhere, SHAPE, 3)).toMatchObject({ residual: 0.5, rank: 0 });
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
