import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeNpz } from "../../src/data/arrays/npz.ts";
import { readsOrRefuses } from "./temporary.ts";

const fixture = (name: string) =>
  Uint8Array.from(readFileSync(join(resolve(import.meta.dirname ?? "."), "../fixtures/data", name)));
const [stored, deflated] = [fixture("stored.npz"), fixture("deflated.npz")];

describe("npz", () => {
  test.each([
    ["stored", stored],
    ["deflated", deflated],
  ])("reads what NumPy wrote, %s", (_, bytes) => {
    const arrays = decodeNpz(bytes);
    expect(Object.entries(arrays).map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ["y", "float32", [4, 3]],
      ["matrix", "float64", [3, 10]],
      ["mask", "uint8", [4, 5, 5]],
      ["seen", "bool", [3]],
      ["noise_variance", "float64", []],
    ]);
    expect(Array.from(arrays.y!.data as Float32Array)).toEqual(
      Array.from({ length: 12 }, (_, i) => Math.fround(Math.fround(i) / 7)),
    );
    expect(arrays.matrix!.data[29]).toBe(1);
    expect(arrays.mask!.data[3]).toBe(1);
    expect(arrays.noise_variance!.data[0]).toBe(1e-4);
  });

  test("finds the directory before a comment", () => {
    const bytes = new Uint8Array([...stored, 1, 2, 3]);
    expect(Object.keys(decodeNpz(bytes))).toHaveLength(5);
  });

  test.each([
    ["no archive", new Uint8Array(40), "expected a .npz archive"],
    ["nothing", new Uint8Array(0), "expected a .npz archive"],
    ["a truncated one", stored.subarray(0, stored.length - 30), "expected a .npz archive"],
    ["a flipped bit in an array", flip(stored, 170), "another checksum"],
    ["a flipped bit in deflated bytes", flip(deflated, 100), "The file is damaged"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => decodeNpz(bytes, "x.npz")).toThrow(message);
  });

  test("refuses sizes that deflate cannot reach before it allocates them", () => {
    const bytes = deflated.slice();
    const view = new DataView(bytes.buffer);
    const directory = view.getUint32(bytes.length - 22 + 16, true);
    view.setUint32(directory + 24, 0xfffffff0, true);
    expect(() => decodeNpz(bytes)).toThrow("too many for its size");
  });

  test("refuses entries that share their bytes", () => {
    const bytes = stored.slice();
    const view = new DataView(bytes.buffer);
    const end = bytes.length - 22;
    const directory = view.getUint32(end + 16, true);
    view.setUint32(directory + 20, bytes.length, true);
    view.setUint32(directory + 24, bytes.length, true);
    expect(() => decodeNpz(bytes)).toThrow(/overlap|cut off/);
  });

  test("whatever is changed, a value or an error that is meant to be read", () => {
    const edit = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(fc.constantFrom(stored, deflated), edit, fc.nat(), (original, edits, cut) => {
        const bytes = original.slice(0, cut % 4 === 0 ? cut % original.length : original.length);
        for (const [at, value] of edits) if (bytes.length > 0) bytes[at % bytes.length] = value;
        readsOrRefuses(() => decodeNpz(bytes));
      }),
      { numRuns: 4000, seed: 1 },
    );
  });
});

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy;
}
