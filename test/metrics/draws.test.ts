import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { coverage, drawMoments, drawQuantiles } from "../../src/metrics/draws.ts";
import { expectAllClose } from "../matchers.ts";

describe("several draws", () => {
  test("have mean and standard deviation pixel by pixel", () => {
    // Two observations, three draws, two pixels.
    const draws = float32([1, 0, 2, 0, 3, 6, 5, 5, 5, 5, 5, 5], [2, 3, 2]);
    const { mean, deviation } = drawMoments(draws);
    expectAllClose(mean, float32([2, 2, 5, 5], [2, 2]));
    expectAllClose(deviation, float32([1, Math.sqrt(12), 0, 0], [2, 2]));
  });

  test("have the quantiles that numpy.quantile gives with method weibull", () => {
    const draws = float32(
      [3, 1, 4, 1.5, 9, 2.6, 5].flatMap((value) => [value, 2 * value]),
      [1, 7, 2],
    );
    const found = drawQuantiles(draws, [0.05, 0.3, 0.5, 0.95]); // NumPy 2.3.5: 1, 1.94, 3, 9
    expectAllClose(found, float32([1, 2, 1.94, 3.88, 3, 6, 9, 18], [1, 4, 2]));
    expect(() => drawQuantiles(draws, [0.5, 1])).toThrow("levels must lie between 0 and 1, got 1.");
  });

  test("cover: the ends of the interval lie between order statistics", () => {
    // S = 9 draws 1 ... 9 and level 0.6: positions 2 and 8, hence [2, 8].
    const draws = float32([3, 1, 2, 9, 8, 7, 4, 6, 5], [1, 9, 1]);
    const at = (x: number) => coverage(draws, float32([x], [1, 1]), 0.6);
    expect([1.9, 2.1, 7.9, 8.1].map(at)).toEqual([0, 1, 1, 0]);
  });

  test.each([19, 32])(
    "of %d draws from the truth's own distribution cover it as often as they claim",
    (S) => {
      const n = 20_000;
      const draws = float32(new Float32Array(n * S), [n, S]);
      const truth = float32(new Float32Array(n), [n]);
      const rng = new Rng(8);
      rng.fillNormal(draws.data);
      rng.fillNormal(truth.data);
      // Five standard deviations of a share of 20 000 of 0.9; interpolation adds less than 0.002.
      expect(Math.abs(coverage(draws, truth, 0.9) - 0.9)).toBeLessThan(5 * Math.sqrt(0.09 / n) + 0.002);
    },
  );

  test("do not care about order, shift or scale", () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0.5, max: 4, noNaN: true }), (seed, scale) => {
        const rng = new Rng(seed);
        const draws = float32(new Float32Array(40), [2, 10, 2]);
        const truth = float32(new Float32Array(4), [2, 2]);
        rng.fillNormal(draws.data);
        rng.fillNormal(truth.data);
        const moved = (x: typeof draws) => ({ ...x, data: x.data.map((v) => scale * v + 1) });
        expect(coverage(moved(draws), moved(truth), 0.9)).toBe(coverage(draws, truth, 0.9));
        const [a, b] = [drawMoments(draws), drawMoments(moved(draws))];
        expectAllClose(
          b.deviation.data,
          a.deviation.data.map((v) => v * scale),
        );
      }),
      { numRuns: 30 },
    );
  });

  test("of other shapes are refused", () => {
    const draws = float32(new Float32Array(12), [2, 3, 2]);
    expect(() => coverage(draws, float32([1, 2], [2]), 0.9)).toThrow(/truth must be \[2, 2\], got \[2\]/);
    expect(() => drawMoments(float32([1]))).toThrow(/draws must be/);
  });

  test.each([90, 0, 1, Number.NaN])("cover nothing at the level %d", (level) => {
    const draws = float32(new Float32Array(3), [1, 3]);
    expect(() => coverage(draws, float32([0], [1]), level)).toThrow(/level must lie between 0 and 1/);
  });
});
