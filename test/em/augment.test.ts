import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { augment } from "../../src/em/augment.ts";

const image = () => Float32Array.from({ length: 2 * 6 * 5 }, (_, i) => i);
const shape = [2, 6, 5];

describe("augmentation", () => {
  test("a flip exchanges left and right of every channel, for half of the images", () => {
    const flipped = Float32Array.from(image(), (_, i) => 5 * Math.floor(i / 5) + 4 - (i % 5));
    let flips = 0;
    for (let seed = 0; seed < 400; seed++) {
      const row = image();
      augment(row, shape, ["flip"], new Rng(seed));
      expect([image(), flipped]).toContainEqual(row);
      flips += Number(row[0] === 4);
    }
    expect(Math.abs(flips - 200)).toBeLessThan(50); // five standard deviations of Binomial(400, 1/2)
  });

  test("a shift moves all channels alike and mirrors at the border without repeating it", () => {
    const mirror = (i: number, n: number) =>
      [...Array(n).keys(), ...[...Array(n).keys()].reverse().slice(1)].at(i)!;
    const expected = (dy: number, dx: number) =>
      Float32Array.from(image(), (_, i) => {
        const [c, y, x] = [Math.floor(i / 30), Math.floor(i / 5) % 6, i % 5];
        // Index -k of a mirrored line is its k-th from the start.
        const at = (j: number, n: number) => (j < 0 ? -j : mirror(j, n));
        return 30 * c + 5 * at(y - dy, 6) + at(x - dx, 5);
      });
    const all = [-4, -3, -2, -1, 0, 1, 2, 3, 4];
    const candidates = all.flatMap((dy) => all.map((dx) => expected(dy, dx)));
    const seen = new Set<number>();
    for (let seed = 0; seed < 600; seed++) {
      const row = image();
      augment(row, shape, ["shift"], new Rng(seed));
      const found = candidates.findIndex((candidate) => candidate.every((value, i) => value === row[i]));
      expect(found).toBeGreaterThanOrEqual(0);
      seen.add(found);
    }
    expect(seen.size).toBeGreaterThan(70); // of 81; each is missed with probability (80/81)^600 < 1e-3
  });

  test("changes nothing unasked, nothing but images, and follows its stream", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const row = image();
        augment(row, shape, [], new Rng(seed));
        augment(row, [60], ["flip", "shift"], new Rng(seed));
        expect(row).toEqual(image());
        const [a, b] = [image(), image()];
        augment(a, shape, ["flip", "shift"], new Rng(seed));
        augment(b, shape, ["flip", "shift"], new Rng(seed));
        expect(a).toEqual(b);
        expect(a.every((value) => image().includes(value))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
