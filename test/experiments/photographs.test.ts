import { describe, expect, test } from "vitest";
import {
  cutPatches,
  loadPhotographs,
  type PatchOptions,
  PHOTOGRAPHS,
  type Photograph,
} from "../../experiments/cifar10/photographs.ts";
import { expectAllClose } from "../matchers.ts";

const AREA = 128 * 512;
const OPTIONS: PatchOptions = { count: 50, side: 16, seed: 1, split: "train" };

/** A photograph whose pixel at column x, row y is red x mod 256, green 8 y mod 256, blue 0 left of column 256, 255 right. */
const map: Photograph = {
  name: "map",
  pixels: {
    dtype: "uint8",
    shape: [3, 128, 512],
    data: Uint8Array.from({ length: 3 * AREA }, (_, i) => {
      const [x, y] = [i % 512, Math.floor(i / 512) % 128];
      return [x % 256, (8 * y) % 256, x < 256 ? 0 : 255][Math.floor(i / AREA)]!;
    }),
  },
  usable: new Uint8Array(AREA).fill(1),
};
/** Byte of patch k, channel c, at a corner, and the column in the photograph it came from. */
function columnOf(patches: Float32Array, k: number, side: number): number {
  const byte = (c: number) => Math.round(((patches[(k * 3 + c) * side * side]! + 2) * 255) / 4);
  return byte(0) + (byte(2) > 0 ? 256 : 0);
}

describe("patches of photographs", () => {
  test("are windows of it, each value 4 u / 255 - 2", () => {
    const { shape, data } = cutPatches([map], OPTIONS);
    expect(shape).toEqual([50, 3, 16, 16]);
    const bytes = data.map((value) => ((value + 2) * 255) / 4);
    // Each plane of 16 x 16 goes on from its first byte.
    const windows = bytes.map((byte, i) => {
      const first = Math.round(bytes[i - (i % 256)]!);
      const [x, y] = [i % 16, Math.floor((i % 256) / 16)];
      return [(first + x) % 256, (first + 8 * y) % 256, byte < 128 ? 0 : 255][Math.floor(i / 256) % 3]!;
    });
    expectAllClose(bytes, windows);
  });

  test("of the two splits share no pixel", () => {
    for (const side of [16, 32]) {
      const train = cutPatches([map], { ...OPTIONS, count: 100, side }).data;
      const test = cutPatches([map], { ...OPTIONS, count: 100, side, split: "test" }).data;
      const columns = (data: Float32Array) => Array.from({ length: 100 }, (_, k) => columnOf(data, k, side));
      expect(Math.max(...columns(train)) + side).toBeLessThanOrEqual(384);
      expect(Math.min(...columns(test))).toBeGreaterThanOrEqual(384);
    }
  });

  test("depend on seed, split and number alone", () => {
    const few = cutPatches([map], { ...OPTIONS, count: 5 }).data;
    expect(cutPatches([map], OPTIONS).data.subarray(0, few.length)).toEqual(few);
    expect(cutPatches([map], { ...OPTIONS, count: 5, seed: 2 }).data).not.toEqual(few);
  });

  test("avoid unusable pixels, and are refused where there are none", () => {
    const usable = new Uint8Array(AREA).fill(1);
    for (let y = 0; y < 128; y++) usable.fill(0, y * 512, y * 512 + 300);
    const { data } = cutPatches([{ ...map, usable }], OPTIONS);
    for (let k = 0; k < 50; k++) expect(columnOf(data, k, 16)).toBeGreaterThanOrEqual(300);
    expect(() => cutPatches([{ ...map, usable: new Uint8Array(AREA) }], OPTIONS)).toThrow(/found none/);
    const blank = { ...map, pixels: { ...map.pixels, data: new Uint8Array(3 * AREA).fill(90) } };
    expect(() => cutPatches([blank], OPTIONS)).toThrow(/expected patches that show something/);
  });

  test("of impossible sizes or numbers are refused", () => {
    expect(() => cutPatches([map], { ...OPTIONS, side: 65 })).toThrow(/from 2 to 64, got 65/);
    expect(() => cutPatches([map], { ...OPTIONS, count: 0.5 })).toThrow(/>= 1, got 0.5/);
  });
});

describe("the photographs of the package", () => {
  // Each takes a quarter of a second to unpack; these are by day, against the sun and by night.
  const names = ["park", "sunset", "night"];

  test("are in colour, upright and well exposed", async () => {
    expect(PHOTOGRAPHS).toEqual(expect.arrayContaining(names));
    const photographs = await loadPhotographs(names);
    expect(photographs.map(({ name }) => name)).toEqual(names);
    const mean = (name: string, c: number, [from, to]: [number, number]) => {
      const { data } = photographs.find((photograph) => photograph.name === name)!.pixels;
      const rows = data.subarray(c * AREA + from * 512, c * AREA + to * 512);
      return rows.reduce((sum, value) => sum + value, 0) / rows.length;
    };
    // A blue sky above green grass, in the order red, green, blue.
    expect(mean("park", 2, [0, 30])).toBeGreaterThan(mean("park", 0, [0, 30]) + 30);
    expect(mean("park", 1, [90, 128])).toBeGreaterThan(mean("park", 2, [90, 128]) + 50);
    for (const { pixels, usable } of photographs) {
      const white = pixels.data.filter((value) => value === 255).length / pixels.data.length;
      expect(white).toBeGreaterThan(0.04);
      expect(white).toBeLessThan(0.06);
      expect(usable.filter((flag) => flag === 0).length).toBeLessThan(0.02 * AREA);
    }
  });
});
