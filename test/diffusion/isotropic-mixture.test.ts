import { describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import {
  drawNoisy,
  logLikelihood,
  logNormal,
  projector,
  resample,
} from "../../src/diffusion/isotropic-mixture.ts";

describe("projector", () => {
  test("one component is a Gaussian: mean and variance by the rule of precisions", () => {
    const mixture = { means: Float64Array.of(1, -2), dimensions: 2, variance: 0.5 };
    const a = Float64Array.of(0.6, 0.8);
    const found = projector(mixture, a, 2)(Float64Array.of(3, 1));
    const gain = 0.5 / (0.5 + 4);
    expect(found.mean).toBeCloseTo(0.6 * (1 + gain * 2) + 0.8 * (-2 + gain * 3), 12);
    expect(found.variance).toBeCloseTo(1 / (1 / 0.5 + 1 / 4), 12);
    // With one component the Gaussian approximation is exact.
    expect(logLikelihood(found, 0.3, 0.1)).toBeCloseTo(logNormal(0.3, found.mean, found.variance + 0.1), 12);
  });

  test("two components: moments and likelihood by Bayes' rule over a grid", () => {
    const [means, s2, sigma2, x_t, noise] = [[-1, 1.5], 0.3, 0.8, 0.2, 0.05] as const;
    const mixture = { means: Float64Array.from(means), dimensions: 1, variance: s2 };
    const found = projector(mixture, Float64Array.of(1), Math.sqrt(sigma2))(Float64Array.of(x_t));
    const [mass, first, second, evidence] = [0, 0, 0, 0].map((_, power) => {
      let total = 0;
      for (let x = -8; x <= 8; x += 1e-3) {
        const prior = Math.exp(logNormal(x, means[0], s2)) + Math.exp(logNormal(x, means[1], s2));
        const weight = prior * Math.exp(logNormal(x_t, x, sigma2));
        total += weight * (power < 3 ? x ** power : Math.exp(logNormal(0.7, x, noise)));
      }
      return total;
    }) as [number, number, number, number];
    expect(found.mean).toBeCloseTo(first / mass, 8);
    expect(found.variance).toBeCloseTo(second / mass - (first / mass) ** 2, 8);
    expect(logLikelihood(found, 0.7, noise)).toBeCloseTo(Math.log(evidence / mass), 8);
  });

  test("far components do not overflow", () => {
    const mixture = { means: Float64Array.of(-1e3, 1e3), dimensions: 1, variance: 1e-4 };
    const found = projector(mixture, Float64Array.of(1), 1e-2)(Float64Array.of(1e3));
    expect(found.mean).toBeCloseTo(1e3, 9);
    expect(logLikelihood(found, -1e3, 1e-4)).toBeLessThan(-1e9);
    expect(Number.isFinite(logLikelihood(found, -1e3, 1e-4))).toBe(true);
  });
});

test("draws have the mixture's mean and variance, plus the noise's", () => {
  const mixture = { means: Float64Array.of(-1, 3), dimensions: 1, variance: 0.25 };
  const draws = drawNoisy(mixture, 1.5, 40_000, new Rng(1));
  const mean = draws.reduce((total, value) => total + value, 0) / draws.length;
  const variance = draws.reduce((total, value) => total + (value - mean) ** 2, 0) / draws.length;
  // Deviations of the two estimates: 0.0127 and some 0.033; five of each.
  expect(Math.abs(mean - 1)).toBeLessThan(0.064);
  expect(Math.abs(variance - (4 + 0.25 + 2.25))).toBeLessThan(0.17);
});

test("resampling follows the weights and never takes what has none", () => {
  const chosen = resample(Float64Array.of(-Infinity, 700, 700 + Math.log(3), -Infinity), 20_000, new Rng(2));
  const counts = [0, 1, 2, 3].map((i) => chosen.filter((value) => value === i).length);
  expect([counts[0], counts[3]]).toEqual([0, 0]);
  // A binomial share of 1/4 of 20 000 deviates by 61; five of them.
  expect(Math.abs(counts[1]! - 5000)).toBeLessThan(306);
});

test("resampling tells of weights that are no numbers, and of none at all", () => {
  for (const weights of [
    [0, Number.NaN],
    [-Infinity, -Infinity],
    [Infinity, 0],
  ])
    expect(() => resample(Float64Array.from(weights), 3, new Rng(2))).toThrow("expected finite weights");
});
