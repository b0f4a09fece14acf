import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import { decodeIdx } from "../../src/data/arrays/idx.ts";
import { loadMnist } from "../../src/data/mnist.ts";
import { readsOrRefuses } from "./temporary.ts";

const VALID = new Uint8Array([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]);

describe("decodeIdx", () => {
  it("reads hand-made bytes", () => {
    const array = decodeIdx(VALID);
    expect(array.shape).toEqual([2, 3]);
    expect([...array.data]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each([
    [new Uint8Array(), /expected an IDX file, found other bytes/],
    [new Uint8Array([0x1f, 0x8b, 8, 0]), /Unpack the file if it ends in .gz/],
    [new Uint8Array([0, 0, 0x0d, 1, 0, 0, 0, 0]), /expected IDX type 0x08 \(unsigned byte\), found 0x0d/],
    [VALID.subarray(0, 10), /expected 12 bytes, found 10/],
    [VALID.subarray(0, 17), /expected 18 bytes for shape \[2, 3\], found 17. The file is damaged/],
    [new Uint8Array([...VALID, 0]), /expected 18 bytes for shape \[2, 3\], found 19/],
  ])("refuses damaged bytes %#", (bytes, message) => {
    expect(() => decodeIdx(bytes, "x")).toThrow(message);
    expect(() => decodeIdx(bytes, "x")).toThrow(DataError);
  });

  it("reads or refuses whatever bytes it is given", () => {
    const changed = fc.tuple(fc.nat(17), fc.nat(255), fc.nat(18)).map(([at, byte, end]) => {
      const bytes = VALID.slice();
      bytes[at] = byte;
      return bytes.subarray(0, end < 6 ? end * 3 : 18);
    });
    const wild = fc.uint8Array({ maxLength: 40 }).map((tail) => new Uint8Array([0, 0, 8, ...tail]));
    fc.assert(
      fc.property(fc.oneof(changed, wild, fc.uint8Array({ maxLength: 40 })), (bytes) => {
        readsOrRefuses(() => decodeIdx(bytes));
      }),
      { numRuns: 500 },
    );
  });
});

describe("loadMnist", () => {
  it("scales a byte u to 4 u / 255 - 2, and reads only the range", async () => {
    const { images, labels } = await loadMnist("test", { start: 10, end: 14 });
    expect(images.shape).toEqual([4, 1, 28, 28]);
    expect([...labels]).toEqual([0, 6, 9, 0]); // as published
    expect(images.data[0]).toBe(-2);
    expect(Math.max(...images.data)).toBeLessThanOrEqual(2);
    for (const value of images.data.subarray(0, 784))
      expect(((value + 2) * 255) / 4).toBeCloseTo(Math.round(((value + 2) * 255) / 4), 3);
  });

  it("starts with the digits that everybody knows", async () => {
    expect([...(await loadMnist("train", { end: 5 })).labels]).toEqual([5, 0, 4, 1, 9]);
    expect((await loadMnist("test")).images.shape).toEqual([10000, 1, 28, 28]);
  });

  it("refuses a range outside the set", async () => {
    await expect(loadMnist("test", { end: 10001 })).rejects.toThrow(
      'loadMnist: range must lie in [0, 10000] of "test", got [0, 10001].',
    );
    await expect(loadMnist("test", { start: 3, end: 2 })).rejects.toThrow(/range must lie/);
  });
});
