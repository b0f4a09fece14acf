import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { fourierTransform } from "../../src/operators/kinds/fourier.ts";
import { tomography, tomographyFamily } from "../../src/operators/kinds/tomography.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

interface Packed {
  readonly shape: number[];
  readonly data: number[];
}

const FIXTURE = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/instruments.json"), "utf8"),
) as {
  fourier: { norm: string; x: Packed; k: Packed }[];
  tomography: { angles: number[]; x: Packed; y: Packed }[];
};

const batched = ({ shape, data }: Packed) => float32(data, [1, ...shape]);

describe("Fourier transforms of other conventions", () => {
  test.each(FIXTURE.fourier)(
    "without shifts, norm=$norm, agree with NumPy's fft2",
    async ({ norm, x, k }) => {
      const form = { centred: false, orthonormal: norm === "ortho" };
      const found = await evaluate({ x: batched(x) }, ({ x }) => ({ k: fourierTransform(x, form) }));
      expectAllClose(found.k, batched(k), { relative: 1e-5 });
    },
  );
});

describe("parallel-beam projections", () => {
  test.each(FIXTURE.tomography)("at $angles degrees agree with scikit-image's radon", async (golden) => {
    const angles = float32(golden.angles, [1, golden.angles.length]);
    const found = await evaluate({ x: batched(golden.x), angles }, ({ x, angles }) => ({
      y: tomography(angles)(x),
    }));
    // Where a ray meets pixels exactly, single precision of the angle moves it by 1e-6 pixels.
    expectAllClose(found.y, batched(golden.y), { relative: 1e-5 });
  });

  test("each observation has its own angles: one at 0 and one at 180 degrees mirror each other", async () => {
    const image = Array.from({ length: 25 }, (_, i) => (i % 5) + 1);
    const x = float32([...image, ...image], [2, 1, 5, 5]);
    const { y } = await evaluate({ x, angles: float32([0, 180], [2, 1]) }, ({ x, angles }) => ({
      y: tomography(angles)(x),
    }));
    expectAllClose(y.data, [5, 10, 15, 20, 25, 25, 20, 15, 10, 5], { relative: 1e-5 });
  });

  test("are those of square images", () => {
    expect(() => tomographyFamily([1, 4, 5], 3)).toThrow("square images [C, N, N], got [1, 4, 5]");
  });
});
