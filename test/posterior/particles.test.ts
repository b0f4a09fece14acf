import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { systematicResample, weigh } from "../../src/posterior/particles/particles.ts";
import { expectAllClose } from "../matchers.ts";

const logWeights = fc
  .array(fc.double({ min: -800, max: 800, noNaN: true }), { minLength: 1, maxLength: 40 })
  .map((values) => Float64Array.from(values));

describe("weights", () => {
  test("of two particles in the ratio 1 : 3", () => {
    const { normalized, logMean, effectiveSize } = weigh(Float64Array.of(0, Math.log(3)));
    expectAllClose(normalized, [0.25, 0.75], { relative: 1e-14 });
    expectAllClose([logMean, effectiveSize], [Math.log(2), 1.6], { relative: 1e-14 });
  });

  test("sum to one, whatever their scale, and leave between one and all particles effective", () => {
    fc.assert(
      fc.property(logWeights, fc.double({ min: -1e4, max: 1e4, noNaN: true }), (values, shift) => {
        const { normalized, logMean, effectiveSize } = weigh(values);
        expect(normalized.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
        expect(effectiveSize).toBeGreaterThanOrEqual(1 - 1e-9);
        expect(effectiveSize).toBeLessThanOrEqual(values.length * (1 + 1e-9));
        const shifted = weigh(values.map((value) => value + shift));
        expect(shifted.logMean - shift).toBeCloseTo(logMean, 8);
      }),
    );
  });

  test("that are not finite are an error", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => weigh(Float64Array.of(0, bad))).toThrow("twisted sampling: finite weights expected");
    expect(() => weigh(Float64Array.of(Number.NEGATIVE_INFINITY))).toThrow("largest log weight is -Infinity");
    expect(weigh(Float64Array.of(0, Number.NEGATIVE_INFINITY)).effectiveSize).toBe(1);
  });
});

test("systematic resampling picks each particle its share of times, rounded up or down", () => {
  fc.assert(
    fc.property(logWeights, fc.integer({ min: 1, max: 60 }), fc.nat(), (values, n, seed) => {
      const { normalized } = weigh(values);
      const picked = systematicResample(normalized, n, new Rng(seed));
      expect(picked).toHaveLength(n);
      const counts = new Array<number>(values.length).fill(0);
      for (const k of picked) counts[k]!++;
      counts.forEach((count, k) => {
        expect(Math.abs(count - n * normalized[k]!)).toBeLessThan(1 + 1e-9);
      });
    }),
  );
});
