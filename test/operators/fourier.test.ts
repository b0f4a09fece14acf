import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { input } from "../../src/graph/index.ts";
import { fourierTransform } from "../../src/operators/kinds/fourier.ts";
import { adjoint } from "../../src/operators/operator.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

interface Packed {
  readonly shape: number[];
  readonly data: number[];
}

const FIXTURE = JSON.parse(readFileSync(join(import.meta.dirname, "../fixtures/operators.json"), "utf8")) as {
  fourier: { x: Packed; k: Packed }[];
};

const batched = ({ shape, data }: Packed) => float32(data, [1, ...shape]);

describe("the centred Fourier transform", () => {
  test.each(FIXTURE.fourier)("of $x.shape agrees with NumPy", async ({ x, k }) => {
    const found = await evaluate({ x: batched(x) }, ({ x }) => ({ k: fourierTransform(x) }));
    expectAllClose(found.k, batched(k), { relative: 1e-5 });
  });

  test("of a constant is one number in the centre, that of a centred pixel is flat", async () => {
    const ones = float32(new Float32Array(20).fill(1), [1, 1, 4, 5]);
    const pixel = float32(
      Float32Array.from({ length: 20 }, (_, i) => Number(i === 2 * 5 + 2)),
      [1, 1, 4, 5],
    );
    const found = await evaluate({ ones, peak: pixel }, ({ ones, peak }) => ({
      constant: fourierTransform(ones),
      pixel: fourierTransform(peak),
    }));
    const centre = Array.from({ length: 40 }, (_, i) => (i === 2 * 5 + 2 ? Math.sqrt(20) : 0));
    expectAllClose(found.constant.data, centre, { relative: 1e-6 });
    const flat = Array.from({ length: 40 }, (_, i) => (i < 20 ? 1 / Math.sqrt(20) : 0));
    expectAllClose(found.pixel.data, flat, { relative: 1e-6 });
  });

  test.each([
    [1, 24, 17],
    [2, 24, 17],
    [1, 320, 320],
  ])("keeps norms (Parseval): %i channels, %i x %i", async (channels, H, W) => {
    const x = normals(new Rng(1), [2, channels, H, W]);
    const { k } = await evaluate({ x }, ({ x }) => ({ k: fourierTransform(x) }));
    const norms = (values: Float32Array) =>
      [0, 1].map((b) =>
        values
          .subarray((b * values.length) / 2, ((b + 1) * values.length) / 2)
          .reduce((s, v) => s + v * v, 0),
      );
    expectAllClose(norms(k.data), norms(x.data), { relative: 1e-5 });
  });

  test("has its inverse as adjoint on complex images", async () => {
    const x = normals(new Rng(2), [3, 2, 9, 12]);
    const { back } = await evaluate({ x }, ({ x }) => ({
      back: adjoint(fourierTransform, x, fourierTransform(x)),
    }));
    expectAllClose(back, x, { relative: 1e-5 });
  });

  test("refuses images whose transform needs too large a matrix", () => {
    expect(() => fourierTransform(input([1, 1, 2, 20_000]))).toThrow(
      "fourierTransform: expected at most 134217728 numbers in an array, found the shape [20000, 40000].",
    );
  });

  test("refuses images of three channels", () => {
    expect(() => fourierTransform(input([1, 3, 4, 4]))).toThrow(
      "fourierTransform: x must be [B, 1 (real) or 2 (complex), ...lengths], got [1, 3, 4, 4].",
    );
  });
});
