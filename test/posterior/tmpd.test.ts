import fc from "fast-check";
import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { matmul, mul, reshape, type Tensor } from "../../src/graph/index.ts";
import { tmpd } from "../../src/posterior/tmpd.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

/** Of squares of float32 numbers whose row sums may cancel to six digits. */
const ROUNDING = 1e-4;

/** E[x | x_t, y] at sigma_t = 1 where x_hat = J x_t, A the identity on 2 entries and x_t = 0: the correction alone. */
async function corrections(scenes: readonly { J: number[]; y: number[]; variance: number }[]) {
  const B = scenes.length;
  const feeds = {
    x: float32(new Float32Array(2 * B), [B, 2]),
    y: float32(
      scenes.flatMap(({ y }) => y),
      [B, 2],
    ),
    J: float32(
      scenes.flatMap(({ J }) => J),
      [B, 2, 2],
    ),
    variance: float32(
      scenes.flatMap(({ variance }) => [variance, variance]),
      [B, 2],
    ),
    sigma: float32([1]),
  };
  const { mean } = await evaluate(feeds, ({ x, y, J, variance, sigma }) => {
    const denoiser: Denoiser = (x_t) => reshape(matmul(J, reshape(x_t, [B, 2, 1])), [B, 2]);
    return { mean: tmpd(denoiser, { operator: (u: Tensor) => mul(u, 1), y, variance })(x, sigma) };
  });
  return Array.from({ length: B }, (_, b) => Array.from(mean.data.subarray(2 * b, 2 * b + 2)));
}

test("row sums of one sign are taken as they are, and corrections that overshoot are shortened", async () => {
  const [diagonal, positive, cancelling, negative, hidden, none] = await corrections([
    { J: [0.5, 0, 0, 0.25], y: [3, 4], variance: 0.25 },
    // Row sums 0.75 and 0.5 with the noise 1 and 0.75: v = [4, 4].
    { J: [0.5, 0.25, 0.25, 0.25], y: [4, 3], variance: 0.25 },
    // Row sums 0.1: v = 10 y, S v = 19 y; a nineteenth of it is y.
    { J: [1, -0.9, -0.9, 1], y: [1, -1], variance: 0 },
    // Row sums 0.5 and -0.125: v = [1, 1], S v = [0.5, -0.125], a = 0.375 / (0.5^2 / 0.625 + 0.125^2 / 0.25).
    { J: [1, -0.5, -0.5, 0.375], y: [0.625, 0.25], variance: 0.125 },
    { J: [1, 0, 0, 0], y: [2, 7], variance: 0 },
    { J: [1, -1, -1, 1], y: [1, 2], variance: 0 },
  ]);
  expectAllClose(diagonal!, [2, 2], { relative: 1e-6 });
  expectAllClose(positive!, [3, 2], { relative: 1e-6 });
  expectAllClose(cancelling!, [1, -1], { relative: 1e-5 }); // row sums of 0.1 from 1 - 0.9 keep six digits
  const a = 0.375 / 0.4625;
  expectAllClose(negative!, [0.5 * a, -0.125 * a], { relative: 1e-6 });
  expectAllClose(hidden!, [2, 0], { relative: 1e-6 });
  expectAllClose(none!, [0, 0], { absolute: 0 });
});

test("whatever the Jacobian, means are finite and come no farther from y than the prior's", async () => {
  // Eighths cancel exactly in row sums, and nearly with the small number.
  const entry = fc
    .tuple(fc.integer({ min: -16, max: 16 }), fc.constantFrom(0, 0, 1e-5))
    .map(([eighths, more]) => eighths / 8 + more);
  const vector = (length: number) => fc.array(entry, { minLength: length, maxLength: length });
  const scene = fc.record({ J: vector(4), y: vector(2), variance: fc.constantFrom(0, 1e-6, 1e-2, 1) });
  await fc.assert(
    fc.asyncProperty(fc.array(scene, { minLength: 64, maxLength: 64 }), async (scenes) => {
      const means = await corrections(scenes);
      scenes.forEach(({ J, y, variance }, b) => {
        const sums = [J[0]! + J[2]!, J[1]! + J[3]!].map(Math.fround).map(Math.abs);
        // Entries without variance are not guided at all.
        const distance = (to: readonly number[]) =>
          sums.reduce((total, s, i) => {
            const d = s === 0 ? variance : Math.max(s, 1e-6 * Math.max(...sums)) + variance;
            return total + (d > 0 ? (y[i]! - to[i]!) ** 2 / d : 0);
          }, 0);
        expect(means[b]!.every(Number.isFinite)).toBe(true);
        expect(distance(means[b]!)).toBeLessThanOrEqual(distance([0, 0]) * (1 + ROUNDING));
      });
    }),
    { numRuns: 10, seed: 71 },
  );
});
