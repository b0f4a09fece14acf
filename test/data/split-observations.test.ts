import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { type Observations, observationKind } from "../../src/data/observations/observations.ts";
import { someObservations, splitObservations } from "../../src/data/observations/split-observations.ts";

/** Observations of two numbers, each (j, -j), with masks that tell j too and noise variances j + 1. */
function numbered(count: number): Observations {
  const kind = observationKind({
    format: "diem-observations",
    version: 1,
    operator: { name: "mask", maskShape: [2] },
    latentShape: [2],
    observationShape: [2],
    noiseVariance: "array",
  });
  const array = (start: number, end: number, f: (j: number) => number[]) =>
    float32(Array.from({ length: end - start }, (_, i) => f(start + i)).flat(), [end - start, 2]);
  return {
    ...kind,
    path: "numbered",
    count,
    read: async (start, end) => ({
      y: array(start, end, (j) => [j, -j]),
      data: { mask: array(start, end, (j) => [1, j % 2]) },
      noiseVariance: array(start, end, (j) => [j + 1, j + 1]),
    }),
    checksum: async () => "0".repeat(64),
  };
}

const numbersOf = async (observations: Observations) => {
  const { y } = await observations.read(0, observations.count);
  return Array.from({ length: observations.count }, (_, i) => y.data[2 * i]!);
};

describe("splitObservations", () => {
  test("holds out observation j where floor((j + 1) v) > floor(j v)", async () => {
    // v = 3 / 10: floor(.3 j) rises from j = 3 to 4, 6 to 7 and 9 to 10.
    const { training, heldOut } = splitObservations(numbered(10), 3);
    expect(await numbersOf(heldOut!)).toEqual([3, 6, 9]);
    expect(await numbersOf(training)).toEqual([0, 1, 2, 4, 5, 7, 8]);
  });

  test("every observation belongs to exactly one set, evenly spread, for all sizes", async () => {
    for (const [count, aside] of [
      [1000, 50],
      [999, 32],
      [128, 32],
      [130, 129],
      [7, 1],
    ] as const) {
      const { training, heldOut } = splitObservations(numbered(count), aside);
      const held = await numbersOf(heldOut!);
      expect(held).toHaveLength(aside);
      const all = [...held, ...(await numbersOf(training))].sort((a, b) => a - b);
      expect(all).toEqual(Array.from({ length: count }, (_, j) => j));
      const gaps = held.slice(1).map((j, i) => j - held[i]!);
      for (const gap of gaps) expect(Math.abs(gap - count / aside)).toBeLessThan(1);
    }
  });

  test("reads arrays of all kinds, whatever the batch", async () => {
    const { training } = splitObservations(numbered(10), 3);
    const whole = await training.read(0, 7);
    for (const start of [0, 2, 5]) {
      const part = await training.read(start, start + 2);
      expect(part.y.shape).toEqual([2, 2]);
      for (const pick of [
        (batch: typeof whole) => batch.y,
        (batch: typeof whole) => batch.data.mask!,
        (batch: typeof whole) => batch.noiseVariance!,
      ])
        expect([...pick(part).data]).toEqual([...pick(whole).data.subarray(2 * start, 2 * start + 4)]);
    }
    await expect(training.read(6, 8)).rejects.toThrow("expected a range within [0, 7], found [6, 8]");
  });

  test("holds nothing out where nothing is to be, and takes some evenly", async () => {
    const all = numbered(10);
    expect(splitObservations(all, 0)).toEqual({ training: all });
    expect(someObservations(all, 10)).toBe(all);
    expect(await numbersOf(someObservations(all, 5))).toEqual([1, 3, 5, 7, 9]);
  });
});
