import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { psnr } from "../../src/metrics/psnr.ts";
import { ssim } from "../../src/metrics/ssim.ts";

type Values = { shape: number[]; data: number[] };
const golden: { pairs: { x: Values; y: Values; range: number; psnr: number; ssim: number }[] } = JSON.parse(
  readFileSync(new URL("../fixtures/images.json", import.meta.url), "utf8"),
);
const array = ({ data, shape }: Values) => float32(data, shape);
const random = (seed: number, shape: number[]) => {
  const x = float32(new Float32Array(shape.reduce((a, b) => a * b)), shape);
  new Rng(seed).fillNormal(x.data);
  return x;
};

describe("PSNR and SSIM", () => {
  test.each(golden.pairs)("agree with scikit-image on $x.shape", ({ x, y, range, psnr: p, ssim: s }) => {
    expect(psnr(x.data, y.data, range)).toBeCloseTo(p, 4);
    expect(ssim(array(x), array(y), range)).toBeCloseTo(s, 6);
  });

  test("an error of 1 everywhere at range 10 is 20 dB", () => {
    expect(psnr([1, 2, 3], [2, 3, 4], 10)).toBeCloseTo(20, 12);
    expect(psnr([1, 2], [1, 2], 10)).toBe(Number.POSITIVE_INFINITY);
  });

  test("two constant images differ by luminance alone: (2ab + C1) / (a^2 + b^2 + C1)", () => {
    const flat = (value: number) => float32(new Float32Array(144).fill(value), [12, 12]);
    const c1 = 0.01 ** 2;
    expect(ssim(flat(0.5), flat(0.25), 1)).toBeCloseTo((0.25 + c1) / (0.3125 + c1), 6);
  });

  test("SSIM is 1 for equal images, symmetric, at most 1, and invariant to scaling with the range", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.double({ min: 0.1, max: 10, noNaN: true }), (a, b, scale) => {
        const [x, y] = [random(a, [12, 13]), random(b, [12, 13])];
        const scaled = (z: typeof x) => ({ ...z, data: z.data.map((v) => v * scale) });
        expect(ssim(x, x, 4)).toBeCloseTo(1, 10);
        expect(ssim(x, y, 4)).toBeCloseTo(ssim(y, x, 4), 10);
        expect(ssim(x, y, 4)).toBeLessThanOrEqual(1);
        expect(ssim(scaled(x), scaled(y), 4 * scale)).toBeCloseTo(ssim(x, y, 4), 4);
        expect(psnr(scaled(x).data, scaled(y).data, 4 * scale)).toBeCloseTo(psnr(x.data, y.data, 4), 3);
      }),
      { numRuns: 20 },
    );
  });

  test("other shapes are refused", () => {
    expect(() => psnr([1], [1, 2], 1)).toThrow(/same size, got 1 and 2/);
    expect(() => ssim(random(0, [10, 12]), random(1, [10, 12]), 1)).toThrow(/at least 11 x 11/);
    expect(() => ssim(random(0, [12, 12]), random(1, [12, 13]), 1)).toThrow(/one shape/);
  });
});
