import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { float32, type HostArray, hostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import {
  divergenceOf,
  type SinkhornOptions,
  sinkhorn,
  sinkhornDivergence,
} from "../../src/metrics/sinkhorn.ts";

interface Case {
  readonly name: string;
  readonly x: { shape: number[]; data: number[] };
  readonly y: { shape: number[]; data: number[] };
  readonly options: SinkhornOptions;
  readonly cost: number;
  readonly iterations: number;
  readonly violation: number;
}
const fixture: { cases: Case[] } = JSON.parse(
  readFileSync(new URL("../fixtures/sinkhorn.json", import.meta.url), "utf8"),
);

const float64 = ({ shape, data }: Case["x"]) => hostArray("float64", shape, Float64Array.from(data));
function cloud(count: number, dimensions: number, seed: number): HostArray<"float64"> {
  const data = new Float64Array(count * dimensions);
  new Rng(seed).fillNormal(data);
  return hostArray("float64", [count, dimensions], data);
}
/** The definition itself, over all pairs. */
function dense(x: HostArray<"float64">, y: HostArray<"float64">, regularization: number, iterations: number) {
  const [n, D] = x.shape as [number, number];
  const m = y.shape[0]!;
  const cost = (i: number, j: number) =>
    Array.from({ length: D }, (_, d) => (x.data[i * D + d]! - y.data[j * D + d]!) ** 2).reduce(
      (a, b) => a + b,
    );
  const logSum = (values: number[]) => {
    const top = Math.max(...values);
    return top + Math.log(values.reduce((total, value) => total + Math.exp(value - top), 0));
  };
  const M = Array.from({ length: n }, (_, i) => Array.from({ length: m }, (_, j) => cost(i, j)));
  let u = new Array<number>(n).fill(0);
  let v = new Array<number>(m).fill(0);
  for (let k = 0; k < iterations; k++) {
    v = v.map((_, j) => -Math.log(m) - logSum(u.map((w, i) => w - M[i]![j]! / regularization)));
    u = u.map((_, i) => -Math.log(n) - logSum(v.map((w, j) => w - M[i]![j]! / regularization)));
  }
  let total = 0;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++) total += Math.exp(u[i]! + v[j]! - M[i]![j]! / regularization) * M[i]![j]!;
  return total;
}

describe("sinkhorn", () => {
  test.each(fixture.cases)(
    "agrees with POT: $name",
    async ({ x, y, options, cost, iterations, violation }) => {
      const found = await sinkhorn(float64(x), float64(y), options);
      expect(found.iterations).toBe(iterations);
      // Left-out terms are below 2e-9 of a sum, and errors of the potentials do not grow; 1e-4 would do.
      expect(Math.abs(found.cost / cost - 1)).toBeLessThan(1e-6);
      expect(Math.abs(found.violation / violation - 1)).toBeLessThan(1e-4);
      expect(found.status).toBe(violation < options.tolerance! ? "converged" : "maxSteps");
    },
  );

  test("many blocks of points give what all pairs give", async () => {
    const [x, y] = [cloud(300, 3, 1), cloud(257, 3, 2)];
    const options = { regularization: 5e-3, maxIterations: 30, tolerance: 0 };
    const { cost, iterations } = await sinkhorn(x, y, options);
    expect(iterations).toBe(30);
    expect(Math.abs(cost / dense(x, y, 5e-3, 30) - 1)).toBeLessThan(1e-7);
  });

  test("one point goes to all others, whatever the iterations", async () => {
    const found = await sinkhorn(float32([1, 2], [1, 2]), float32([1, 3, 4, 2], [2, 2]));
    expect(found.cost).toBeCloseTo((1 + 9) / 2, 9);
    expect(found.status).toBe("converged");
  });

  test("does not depend on the order of the points, nor on where they are", async () => {
    const [x, y] = [cloud(60, 2, 3), cloud(50, 2, 4)];
    const reversed = hostArray(
      "float64",
      x.shape,
      Float64Array.from({ length: 120 }, (_, k) => x.data[118 - k + 2 * (k % 2)]!),
    );
    const moved = ({ shape, data }: typeof x) =>
      hostArray(
        "float64",
        shape,
        data.map((value) => value + 8),
      );
    const { cost } = await sinkhorn(x, y, { regularization: 0.05 });
    expect((await sinkhorn(reversed, y, { regularization: 0.05 })).cost).toBeCloseTo(cost, 9);
    expect((await sinkhorn(moved(x), moved(y), { regularization: 0.05 })).cost).toBeCloseTo(cost, 9);
  });

  test("tells how far it is, and stops when asked to", async () => {
    const [x, y] = [cloud(2048, 3, 5), cloud(2048, 3, 6)];
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => {
      expect(total).toBe(1024);
      seen.push(done);
      if (seen.length === 3) controller.abort();
    };
    await expect(sinkhorn(x, y, { onProgress, signal: controller.signal })).rejects.toThrow("stopped before");
    expect(seen.length).toBe(3);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  test("refuses numbers that are not finite, shapes that differ and options out of range", async () => {
    const x = cloud(4, 2, 7);
    await expect(sinkhorn(x, float32([0, Number.NaN], [1, 2]))).rejects.toThrow("found NaN in row 0");
    await expect(sinkhorn(x, cloud(4, 3, 8))).rejects.toThrow("sinkhorn: y must be");
    await expect(sinkhorn(x, float32([], [0, 2]))).rejects.toThrow("at least one point");
    await expect(sinkhorn(x, x, { regularization: 0 })).rejects.toThrow("regularization must be above 0");
    await expect(sinkhorn(x, x, { maxIterations: 0 })).rejects.toThrow("maxIterations must be");
    await expect(sinkhorn(x, x, { tolerance: Number.NaN })).rejects.toThrow("tolerance must be");
  });
});

describe("sinkhornDivergence", () => {
  test("takes off what two samples of one distribution differ by, and is never less than 1e-6", async () => {
    const [u1, u2, v] = [cloud(80, 2, 9), cloud(80, 2, 10), cloud(80, 2, 11)];
    const shifted = hostArray(
      "float64",
      v.shape,
      v.data.map((value) => value + 3),
    );
    const options = { regularization: 0.05, tolerance: 1e-6 };
    const same = (await sinkhorn(u1, u2, options)).cost;
    const across = (await sinkhorn(u1, shifted, options)).cost;
    const seen: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => void seen.push(done / total);
    expect(await sinkhornDivergence(u1, u2, shifted, { ...options, onProgress })).toBeCloseTo(
      across - same,
      12,
    );
    expect(seen.at(-1)).toBe(1);
    // A shift by 3 in both coordinates costs 18, up to the samples' own distance.
    expect(across - same).toBeGreaterThan(15);
    expect(divergenceOf(0.1, 0.2)).toBe(1e-6);
  });
});
