import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { hostArray } from "../../src/core/array.ts";
import { ConfigError, DataError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { frechetDistance } from "../../src/metrics/frechet.ts";
import { type Moments, momentsOf } from "../../src/metrics/moments.ts";
import { expectAllClose } from "../matchers.ts";

interface Packed {
  readonly shape: number[];
  readonly data: number[];
}
interface Golden {
  readonly cases: readonly {
    readonly a: Packed;
    readonly b: Packed;
    readonly momentsOfA: { readonly mean: number[]; readonly covariance: number[] };
    readonly distance: number;
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../fixtures/metrics.json", import.meta.url), "utf8"),
) as Golden;

const unpack = ({ shape, data }: Packed) => hostArray("float64", shape, Float64Array.from(data));

const moments = (mean: number[], covariance: number[], count = 10): Moments => ({
  count,
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance),
});

/** Vectors of correlated features, of which the last is constant: the covariance is singular. */
function someMoments(seed: number, D: number): Moments {
  const data = new Float64Array(50 * D);
  new Rng(seed).fillNormal(data);
  const mixed = data.map((value, at) => (at % D === D - 1 ? 1 : value + seed * (data[at + 1] ?? 0)));
  return momentsOf(hostArray("float64", [50, D], mixed));
}

describe("the Frechet distance", () => {
  test("in one dimension is (mu_a - mu_b)^2 + (sigma_a - sigma_b)^2", () => {
    expect(frechetDistance(moments([1], [4]), moments([4], [25]))).toBeCloseTo(9 + 9, 12);
  });

  test("of diagonal covariances is that of each feature, added up", () => {
    const distance = frechetDistance(moments([0, 1], [1, 0, 0, 9]), moments([2, 1], [16, 0, 0, 4]));
    expect(distance).toBeCloseTo(4 + 0 + (1 - 4) ** 2 + (3 - 2) ** 2, 12);
  });

  test("of covariances that do not commute, by hand in two dimensions", () => {
    // S_a = diag(1, 4), S_b = [[2, 1], [1, 2]]: the root R of a 2 x 2 matrix P has (tr R)^2 = tr P + 2 sqrt(det P),
    // and P = S_a S_b has trace 10 and determinant 4 * 3.
    const traceOfRoot = Math.sqrt(10 + 2 * Math.sqrt(12));
    const distance = frechetDistance(moments([0, 0], [1, 0, 0, 4]), moments([3, 4], [2, 1, 1, 2]));
    expect(distance).toBeCloseTo(25 + 5 + 4 - 2 * traceOfRoot, 12);
  });

  test("is zero between equal sets, also with a singular covariance, and never negative", () => {
    for (const D of [1, 2, 9]) {
      const a = someMoments(1, D);
      const distance = frechetDistance(a, a);
      expect(distance).toBeGreaterThanOrEqual(0);
      expect(distance).toBeLessThan(1e-6); // a root of a rounding error for each feature without variance
    }
    expect(frechetDistance(moments([1, 1], [0, 0, 0, 0]), moments([1, 1], [0, 0, 0, 0]))).toBe(0);
  });

  test("is the same both ways", () => {
    const [a, b] = [someMoments(1, 6), someMoments(2, 6)];
    expect(frechetDistance(a, b)).toBeGreaterThan(1);
    expectAllClose([frechetDistance(a, b)], [frechetDistance(b, a)], { relative: 1e-7 });
  });

  test.each(golden.cases)("agrees with scipy's sqrtm on $a.shape features", (example) => {
    const a = momentsOf(unpack(example.a));
    expectAllClose(a.mean, example.momentsOfA.mean, { relative: 1e-12 });
    expectAllClose(a.covariance, example.momentsOfA.covariance, { relative: 1e-12 });
    const distance = frechetDistance(a, momentsOf(unpack(example.b)));
    expectAllClose([distance], [example.distance], { relative: 1e-9 });
  });

  test("names what it cannot use", () => {
    const one = moments([0], [1]);
    expect(() => frechetDistance(moments([0], [1], 1), one)).toThrow(
      new DataError(
        "frechetDistance: the first set must have at least 2 samples, got 1. A covariance needs more.",
      ),
    );
    expect(() => frechetDistance(one, moments([0, 0], [1, 0, 0, 1]))).toThrow(
      new ConfigError("frechetDistance: both sets must have as many features, got 1 and 2."),
    );
    expect(() => frechetDistance(one, moments([0], [1, 2]))).toThrow(ConfigError);
    expect(() => frechetDistance(one, moments([Number.NaN], [1]))).toThrow(
      "the second set must have finite moments, found NaN",
    );
    expect(() => frechetDistance(one, moments([0], [Number.POSITIVE_INFINITY]))).toThrow(
      "the second set must have finite moments, found Infinity",
    );
  });
});
