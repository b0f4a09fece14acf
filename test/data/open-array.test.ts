import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32, hostArray, rows } from "../../src/core/array.ts";
import { memoryRows, toFloat32 } from "../../src/data/arrays/array-rows.ts";
import { movedAxis, transposed } from "../../src/data/arrays/axes.ts";
import { halfToNumber, numbersFromBytes, parseNumberType } from "../../src/data/arrays/number-types.ts";
import { openArray } from "../../src/data/arrays/open-array.ts";
import { broadcastRows, movedRows } from "../../src/data/arrays/row-views.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures/conventions");

describe("arrays wherever they lie", () => {
  test.each([
    ...["y-f4.npy", "y-fortran.npy", "y-big-u8.npy", "y-complex128.npy", "archive.npz:y"],
    ...["data.h5:/survey/y", "data.h5:/survey/mask", "data.h5:/complex"],
    ...["two.zarr/blosc", "two.zarr/fortran", "three.zarr/shards", "three.zarr/mask"],
  ])("some rows of %s are those of all rows", async (location) => {
    const array = await openArray(join(FIXTURES, location));
    try {
      const all = await array.read(0, 3);
      expect(all.shape).toEqual(array.shape);
      expect(await array.read(1, 3)).toEqual(rows(all, 1, 3));
      expect(await array.read(0, 1)).toEqual(rows(all, 0, 1));
    } finally {
      array.close();
    }
  });

  test("views on rows move axes and repeat them as NumPy does", async () => {
    const array = memoryRows(float32([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [2, 2, 3]));
    const { shape, data } = await movedRows(array, 2, 1).read(1, 2);
    expect([shape, [...data]]).toEqual([
      [1, 3, 2],
      [6, 9, 7, 10, 8, 11],
    ]);
    const spread = broadcastRows(memoryRows(float32([1, 2], [1, 2, 1])), [3, 2, 2]);
    expect([...(await spread.read(1, 3)).data]).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
    expect(() => broadcastRows(array, [2, 2, 4])).toThrow("expected a shape that broadcasts to [2, 2, 4]");
    const cube = float32([0, 1, 2, 3, 4, 5], [1, 2, 3]);
    expect(transposed(transposed(cube, movedAxis(3, 2, 0)), movedAxis(3, 0, 2))).toEqual(cube);
  });
});

describe("numbers", () => {
  test("of half precision are those of IEEE 754", () => {
    // One, the largest, the smallest normal and subnormal, minus zero and two, the infinities.
    const bits = [0x3c00, 0x7bff, 0x0400, 0x0001, 0x8000, 0xc000, 0x7c00, 0xfc00];
    const expected = [
      1,
      65504,
      2 ** -14,
      2 ** -24,
      -0,
      -2,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ];
    expect(bits.map(halfToNumber)).toEqual(expected);
    expect(halfToNumber(0x7e00)).toBeNaN();
  });

  test("that no type in memory holds are refused", () => {
    const bytes = new Uint8Array(8).fill(255);
    expect(() => numbersFromBytes(parseNumberType("<u8")!, [1], bytes, "a")).toThrow("integers below 2^63");
    expect(["<f16", "<U4", "|O", "<M8[ns]", "|V8"].map(parseNumberType)).toEqual(Array(5).fill(undefined));
  });

  test("become single precision where that keeps them", () => {
    const doubles = (...values: number[]) => hostArray("float64", [values.length], Float64Array.from(values));
    const kept = [1e-300, Number.NaN, Number.POSITIVE_INFINITY, 1]; // beside 1, 1e-300 is zero
    expect([...toFloat32(doubles(...kept)).data]).toEqual([0, Number.NaN, Number.POSITIVE_INFINITY, 1]);
    expect(() => toFloat32(doubles(1e-300, 0))).toThrow("found 1e-300");
    expect(() => toFloat32(doubles(1, -4e38))).toThrow("found -4e+38");
    const whole = (value: bigint) => hostArray("int64", [1], BigInt64Array.of(value));
    expect(toFloat32(whole(-(2n ** 53n))).data[0]).toBe(-(2 ** 53));
    expect(() => toFloat32(whole(-(2n ** 53n) - 1n))).toThrow("expected integers up to 2^53");
  });
});
