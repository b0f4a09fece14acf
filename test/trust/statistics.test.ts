import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { estimateOf, jackknife, vectorTest } from "../../src/trust/clusters.ts";
import { coverageOf, evenness, type Ranks, rankOf } from "../../src/trust/ranks.ts";
import { fisherTail, studentQuantile, studentTail } from "../../src/trust/tails.ts";
import { energyTest } from "../../src/trust/two-sample.ts";

const golden = JSON.parse(readFileSync(new URL("../fixtures/tails.json", import.meta.url), "utf8")) as {
  readonly student: number[][];
  readonly fisher: number[][];
};

describe("tails", () => {
  test("are SciPy's", () => {
    for (const [t, n, p] of golden.student) expect(studentTail(t!, n!) / p!).toBeCloseTo(1, 9);
    for (const [f, a, b, p] of golden.fisher) expect(fisherTail(f!, a!, b!) / p!).toBeCloseTo(1, 9);
  });

  test("have quantiles", () => {
    expect(studentTail(studentQuantile(0.003, 31), 31)).toBeCloseTo(0.003, 12);
    expect(studentTail(Number.POSITIVE_INFINITY, 5)).toBe(0);
    expect(studentTail(Number.NaN, 5)).toBeNaN();
  });
});

describe("figures over observations", () => {
  const rng = new Rng(1);
  const rows = Array.from({ length: 200 }, () => [rng.normal(), 1 + rng.normal()]);

  test("the jackknife of a mean is its standard error", () => {
    const { mean, error } = estimateOf(rows.map(([a]) => a!));
    const found = jackknife(rows, ([a]) => a!);
    expect(found.mean).toBeCloseTo(mean, 12);
    expect(found.error).toBeCloseTo(error, 12);
  });

  test("Hotelling's test of one number is Student's", () => {
    const one = rows.map(([, b]) => [b! - 0.9]);
    const { mean, error, freedom } = estimateOf(one.map(([value]) => value!));
    const { probability, squared } = vectorTest(one, [0]);
    expect(probability / studentTail(mean / error, freedom)).toBeCloseTo(1, 6);
    expect(squared.mean).toBeCloseTo(mean ** 2 - error ** 2, 12);
  });
});

/** Ranks among 19 draws of deviation `width` of m numbers each, which share half of their variance. */
function ranks(width: number, n: number, m: number, rng: Rng): Ranks {
  const each = Array.from({ length: n }, () => {
    const shared = rng.normal();
    return Array.from({ length: m }, () => {
      // Given what is shared, draws have the spread of the rest.
      const value = Math.SQRT1_2 * (shared + rng.normal());
      const draws = Array.from({ length: 19 }, () => width * rng.normal());
      return rankOf(value, draws, rng);
    });
  });
  return { S: 19, each };
}

describe("ranks", () => {
  test("of equals are any, with equal probability", () => {
    const rng = new Rng(2);
    const found = Array.from({ length: 4000 }, () => rankOf(0, [0, 0, -1, 1], rng));
    for (const rank of [1, 2, 3])
      expect(Math.abs(found.filter((one) => one === rank).length - 4000 / 3)).toBeLessThan(
        4 * Math.sqrt(4000 * (2 / 9)),
      );
  });

  // Numbers of one observation share half of their variance: tests that took them for independent would fail in most of these.
  test("of right draws are even in all but few sets, and those of narrow ones are not", () => {
    const rng = new Rng(3);
    const all = Array.from({ length: 100 }, () => ranks(1, 100, 8, rng));
    const uneven = all.filter((one) => evenness(one, rng).probability < 0.05).length;
    expect(uneven).toBeLessThan(14); // 5 expected, four deviations of sqrt(100 .05 .95) on top
    const outside = all.filter((one) => {
      const { mean, error } = coverageOf(one, 0.9)!;
      return Math.abs(mean - 0.9) > 2 * error;
    });
    expect(outside.length).toBeLessThan(14);
    expect(evenness(ranks(0.6, 100, 8, rng), rng).probability).toBeLessThan(1e-4);
    expect(evenness(ranks(1.6, 100, 8, rng), rng).probability).toBeLessThan(1e-4);
  });

  test("have the coverage that the draws' number allows", () => {
    const some = ranks(1, 50, 1, new Rng(4));
    expect(coverageOf(some, 0.99)).toBeUndefined(); // 199 draws have it
    const all = { S: 19, each: some.each.map(() => [9]) };
    // All inside: the error is that of independent observations, not zero.
    expect(coverageOf(all, 0.9)!.mean).toBe(1);
    expect(coverageOf(all, 0.9)!.error).toBeCloseTo(Math.sqrt(0.09 / 50), 12);
  });
});

describe("the energy test", () => {
  const normals = (n: number, deviation: number, mean: number, rng: Rng) =>
    Array.from({ length: n }, () => Float64Array.from({ length: 3 }, () => mean + deviation * rng.normal()));

  test("finds a shift and a width, and nothing between equals, paired or not", () => {
    const rng = new Rng(5);
    for (const isPaired of [true, false]) {
      const of = (deviation: number, mean: number) =>
        energyTest(normals(80, 1, 0, rng), normals(80, deviation, mean, rng), isPaired, rng);
      const equal = of(1, 0);
      expect(equal.probability).toBeGreaterThan(0.005);
      expect(Math.abs(equal.distance)).toBeLessThan(5 * equal.error);
      expect(of(1, 0.8).probability).toBe(0.001);
      expect(of(2.2, 0).probability).toBe(0.001);
    }
  });

  test("of a variance of 1.3 has the distance that the tolerance says", () => {
    const rng = new Rng(6);
    const { distance, error } = energyTest(
      normals(250, 1, 0, rng),
      normals(250, Math.sqrt(1.3), 0, rng),
      false,
      rng,
    );
    expect(Math.abs(distance - 0.0022)).toBeLessThan(4 * error + 0.0005);
  });
});
