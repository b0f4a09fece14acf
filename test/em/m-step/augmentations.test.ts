import { describe, expect, test } from "vitest";
import { float32 } from "../../../src/core/array.ts";
import { Rng } from "../../../src/core/random.ts";
import {
  AUGMENTATION_NAMES,
  type AugmentationName,
  augment,
  augmentationNumbers,
  checkAugmentations,
  drawAugmentation,
} from "../../../src/em/m-step/augmentations.ts";
import { input } from "../../../src/graph/index.ts";
import { compile } from "../../../src/runtime/compile.ts";
import { FLOAT32_TOLERANCE } from "../../matchers.ts";

const C = 2;
const H = 6;
const W = 5;
/** Odd numbers that no sum of products could hide. */
const image = Float32Array.from({ length: C * H * W }, (_, i) => Math.sqrt(i + 0.1));

/** `count` copies of the image, changed with numbers of their own. */
async function changed(
  names: readonly AugmentationName[],
  count: number,
  source: Float32Array = image,
  shape: readonly number[] = [C, H, W],
): Promise<Float32Array[]> {
  const x = input([count, ...shape]);
  const numbers = input([count, augmentationNumbers(names)]);
  const program = await compile({ inputs: { x, numbers }, outputs: { y: augment(x, names, numbers) } });
  const rng = new Rng(7);
  const copies = Array.from({ length: count }, () => [...source]).flat();
  const drawn = Array.from({ length: count }, () => drawAugmentation(names, shape, rng)).flat();
  const { y } = await program.run({ x: float32(copies, x.shape), numbers: float32(drawn, numbers.shape) });
  await program.release();
  const data = y!.data as Float32Array;
  return Array.from({ length: count }, (_, i) => data.slice(i * source.length, (i + 1) * source.length));
}

/** The image whose pixel (c, y, x) is that of the original at `from`. */
function moved(from: (y: number, x: number) => readonly [number, number]): Float32Array {
  return Float32Array.from(image, (_, i) => {
    const [c, y, x] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
    const [sy, sx] = from(y, x);
    return image[(c * H + sy) * W + sx]!;
  });
}

describe("augmentations", () => {
  test("a flip exchanges left and right of every channel, for half of the images, to the bit", async () => {
    const flipped = moved((y, x) => [y, W - 1 - x]);
    const images = await changed(["flip"], 400);
    for (const one of images) expect([image, flipped]).toContainEqual(one);
    const flips = images.filter((one) => one[0] === flipped[0]).length;
    expect(Math.abs(flips - 200)).toBeLessThan(50); // five standard deviations of Binomial(400, 1/2)
  });

  test("a shift moves all channels alike and mirrors at the border without repeating it, to the bit", async () => {
    const mirror = (i: number, n: number) => (i < 0 ? -i : i < n ? i : 2 * (n - 1) - i);
    const all = [-4, -3, -2, -1, 0, 1, 2, 3, 4];
    const candidates = all.flatMap((dy) =>
      all.map((dx) => moved((y, x) => [mirror(y - dy, H), mirror(x - dx, W)])),
    );
    const images = await changed(["shift"], 600);
    const found = images.map((one) =>
      candidates.findIndex((candidate) => candidate.every((value, i) => value === one[i])),
    );
    expect(Math.min(...found)).toBeGreaterThanOrEqual(0);
    expect(new Set(found).size).toBeGreaterThan(70); // of 81; each is missed with probability (80/81)^600 < 1e-3
  });

  test("a shift stays below the side", async () => {
    const line = Float32Array.from([1, 2, 3, 4]);
    const images = await changed(["flip", "shift"], 100, line, [1, 2, 2]);
    for (const one of images) expect([...one].sort()).toEqual([1, 2, 3, 4]);
    expect(new Set(images.map(String)).size).toBe(4);
  });

  test("numbers have the stated ranges, as many for each image, in one order", () => {
    const rng = new Rng(2);
    const rows = Array.from({ length: 1000 }, () =>
      drawAugmentation(["saturation", "hue", "shift", "flip"], [3, 32, 3], rng),
    );
    const extremes = (column: number) => {
      const values = rows.map((row) => row[column]!);
      return [Math.min(...values), Math.max(...values)] as const;
    };
    expect(rows.every((row) => row.length === augmentationNumbers(AUGMENTATION_NAMES))).toBe(true);
    expect([0, 1, 2].map(extremes)).toEqual([
      [0, 1],
      [-4, 4],
      [-2, 2],
    ]);
    // 1000 uniform numbers leave a hundredth of the range free at one end with probability 2 x 0.99^1000 < 1e-4.
    for (const [column, lo, hi] of [
      [3, -0.01, 0.01],
      [4, 0.95, 1.05],
    ] as const) {
      const [least, most] = extremes(column);
      const margin = 0.01 * (hi - lo);
      expect(least).toBeGreaterThanOrEqual(lo);
      expect(least).toBeLessThan(lo + margin);
      expect(most).toBeLessThanOrEqual(hi);
      expect(most).toBeGreaterThan(hi - margin);
    }
  });

  test("colours of RGB images change by no more than stated", async () => {
    const rgb = Float32Array.from({ length: 3 * 4 * 4 }, (_, i) => Math.sin(i));
    for (const one of await changed(["hue", "saturation"], 50, rgb, [3, 4, 4])) {
      const changes = one.map((value, i) => Math.abs(value - rgb[i]!));
      // Of a pixel's spread d <= 2: hue takes 6 x 0.01, saturation 0.05.
      expect(Math.max(...changes)).toBeLessThan(2 * 0.11 * (1 + FLOAT32_TOLERANCE));
      expect(Math.max(...changes)).toBeGreaterThan(0);
    }
  });

  test("refuses latents that it cannot change, naming what it needs", () => {
    expect(() => checkAugmentations(["flip"], [60])).toThrow(
      'mStep.augment: "flip" needs images [C, H, W], got latents [60]. Leave it out.',
    );
    expect(() => checkAugmentations(["flip", "hue"], [1, 8, 8])).toThrow(
      'mStep.augment: "hue" needs RGB images [3, H, W], got latents [1, 8, 8].',
    );
    expect(() => checkAugmentations(["saturation"], [8, 8])).toThrow("needs RGB images [3, H, W]");
    checkAugmentations(AUGMENTATION_NAMES, [3, 8, 8]);
    checkAugmentations(["flip", "shift"], [2, 8, 8]);
  });
});
