import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { manifoldObservations, manifoldPoints } from "../../src/data/manifold.ts";

describe("manifoldPoints", () => {
  test("fill [-2, 2] in each dimension and lie on a smooth curve", () => {
    const { shape, data } = manifoldPoints({ count: 4000, dimensions: 3, rng: new Rng(1) });
    expect(shape).toEqual([4000, 3]);
    for (let i = 0; i < 3; i++) {
      const axis = Array.from({ length: 4000 }, (_, n) => data[3 * n + i]!);
      expect(Math.min(...axis)).toBe(-2);
      expect(Math.max(...axis)).toBe(2);
    }
    // On a curve some 15 long, 4000 points have neighbours at about 0.002; in a cloud of that size at about 0.15.
    let far = 0;
    for (let n = 0; n < 200; n++) {
      let nearest = Infinity;
      for (let m = 0; m < 4000; m++)
        if (m !== n)
          nearest = Math.min(
            nearest,
            Math.hypot(...[0, 1, 2].map((i) => data[3 * n + i]! - data[3 * m + i]!)),
          );
      if (nearest > 0.03) far += 1;
    }
    expect(far).toBeLessThan(10);
  });

  test("depend on the seed, and the curve not on the number of points", () => {
    const draw = (seed: number) => manifoldPoints({ count: 50, dimensions: 2, rng: new Rng(seed) }).data;
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });

  test("refuses sizes that cannot be", () => {
    const rng = new Rng(0);
    expect(() => manifoldPoints({ count: 1, dimensions: 2, rng })).toThrow("count must be an integer >= 2");
    expect(() => manifoldPoints({ count: 9, dimensions: 0, rng })).toThrow("dimensions must be");
    expect(() => manifoldPoints({ count: 9, dimensions: 2, smoothness: 0, rng })).toThrow("smoothness");
  });
});

test("manifoldObservations are noisy projections on unit vectors, and open as observations", async () => {
  const points = manifoldPoints({ count: 500, dimensions: 5, rng: new Rng(5) });
  const observations = await manifoldObservations(points, { rng: new Rng(6) });
  expect(observations.count).toBe(500);
  expect(observations.header).toMatchObject({ latentShape: [5], observationShape: [2], noiseVariance: 1e-4 });
  const { y, data } = await observations.read(0, 500);
  const A = data.matrix!;
  expect(A.shape).toEqual([500, 2, 5]);
  const x = float32(points.data);
  let squares = 0;
  for (let row = 0; row < 1000; row++) {
    const a = A.data.subarray(5 * row, 5 * row + 5);
    expect(Math.hypot(...a)).toBeCloseTo(1, 5);
    const n = Math.floor(row / 2);
    const clean = a.reduce((total, value, i) => total + value * x.data[5 * n + i]!, 0);
    squares += (y.data[row]! - clean) ** 2;
  }
  // The mean of 1000 squares of N(0, 1e-4) has a relative deviation of 4.5 %; four of them.
  expect(Math.abs(squares / 1000 / 1e-4 - 1)).toBeLessThan(0.18);
});
