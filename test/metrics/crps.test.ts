import { describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { fairCrps } from "../../src/metrics/crps.ts";

describe("fairCrps", () => {
  test("is that of draws 1, 2, 4 for 3: mean error 4/3, less half the mean distance 2 of two draws", () => {
    expect(fairCrps([1, 2, 4], 3)).toBeCloseTo(4 / 3 - 1, 12);
  });

  test("is on average that of the whole normal distribution, 1 / sqrt(pi), for any number of draws", () => {
    const rng = new Rng(5);
    const count = 20_000;
    for (const S of [2, 4, 16]) {
      let [sum, squares] = [0, 0];
      for (let i = 0; i < count; i++) {
        const draws = Float64Array.from({ length: S }, () => rng.normal());
        const score = fairCrps(draws, rng.normal());
        sum += score;
        squares += score ** 2;
      }
      const error = Math.sqrt((squares / count - (sum / count) ** 2) / count);
      // Four standard errors: one in 16 000 tests fails by chance; the seed is fixed.
      expect(Math.abs(sum / count - 1 / Math.sqrt(Math.PI))).toBeLessThan(4 * error);
    }
  });

  test("is smallest for draws of the right width", () => {
    const rng = new Rng(6);
    const score = (width: number) => {
      const own = rng.split("draws");
      let sum = 0;
      for (let i = 0; i < 20_000; i++)
        sum += fairCrps(
          Array.from({ length: 4 }, () => width * own.normal()),
          own.normal(),
        );
      return sum / 20_000;
    };
    expect(score(1)).toBeLessThan(score(0.6) - 0.01);
    expect(score(1)).toBeLessThan(score(1.6) - 0.01);
  });
});
