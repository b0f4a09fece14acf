import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesPerElement, type DType, float32, fromBytes, hostArray, rows } from "../../src/core/array.ts";
import { DataError, ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { createNpyWriter, decodeNpy, encodeNpy, readNpy, writeNpy } from "../../src/data/arrays/npy.ts";
import { inTemporaryFolder, readsOrRefuses } from "./temporary.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures/data");
const DTYPES: DType[] = ["float32", "float64", "int32", "int64", "uint8", "bool"];

/** A version 1.0 file by hand, unpadded. */
function byHand(header: string, data: readonly number[] = []): Uint8Array {
  const text = [...header].map((character) => character.charCodeAt(0));
  return new Uint8Array([
    0x93,
    ...[..."NUMPY"].map((c) => c.charCodeAt(0)),
    1,
    0,
    text.length,
    0,
    ...text,
    ...data,
  ]);
}

const arrays = fc
  .record({
    dtype: fc.constantFrom(...DTYPES),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    seed: fc.uint8Array({ minLength: 1, maxLength: 64 }),
  })
  .map(({ dtype, shape, seed }) => {
    const bytes = Uint8Array.from({ length: sizeOf(shape) * bytesPerElement(dtype) }, (_, i) => {
      const byte = seed[i % seed.length]!;
      return dtype === "bool" ? byte & 1 : byte;
    });
    return fromBytes(dtype, shape, bytes);
  });

describe("npy from NumPy", () => {
  it.each(["f4", "f8", "i4", "i8", "u1", "b1"])("reads %s", async (name) => {
    const array = await readNpy(join(FIXTURES, `${name}.npy`));
    const offset = { u1: 0, b1: 0 }[name] ?? -2;
    const expected = [0, 1, 2, 3, 4, 5].map((i) => (name === "b1" ? i % 2 : i + offset));
    expect(array.shape).toEqual([2, 3]);
    expect([...array.data].map(Number)).toEqual(expected);
  });

  it("reads scalars, versions 2 and 3, and a vector, for which both orders are one", async () => {
    expect(await readNpy(join(FIXTURES, "scalar.npy"))).toEqual(float32([1.5], []));
    for (const name of ["vector", "version2", "version3"])
      expect(await readNpy(join(FIXTURES, `${name}.npy`))).toEqual(float32([0, 1, 2]));
  });

  it("reads Fortran order and big-endian numbers as what they are", async () => {
    expect(await readNpy(join(FIXTURES, "fortran.npy"))).toEqual(float32([0, 1, 2, 3, 4, 5], [2, 3]));
    expect(await readNpy(join(FIXTURES, "big-endian.npy"))).toEqual(float32([0, 1, 2]));
  });

  it("refuses a structured dtype with a remedy", async () => {
    const reading = readNpy(join(FIXTURES, "structured.npy"));
    await expect(reading).rejects.toThrow(/found a structured dtype\. Convert it first/);
    await expect(reading).rejects.toThrow(DataError);
  });

  it("writes the very bytes that NumPy writes", async () => {
    for (const name of ["f4", "f8", "i4", "i8", "u1", "b1", "scalar", "vector"]) {
      const bytes = await readFile(join(FIXTURES, `${name}.npy`));
      expect(encodeNpy(decodeNpy(bytes))).toEqual(new Uint8Array(bytes));
    }
  });
});

describe("decodeNpy", () => {
  it.each([
    [new Uint8Array(), /expected a .npy file, found other bytes/],
    [new TextEncoder().encode("PK not an array"), /expected a .npy file/],
    [Uint8Array.from(byHand("{}"), (byte, i) => (i === 6 ? 4 : byte)), /version 1, 2 or 3, found 4/],
    [
      byHand("x".repeat(200)).subarray(0, 100),
      /expected a header of 200 bytes, found 90. The file is truncated/,
    ],
    [byHand("{'descr': '<f4'}"), /expected a header with descr, fortran_order and shape/],
    [
      byHand("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", [0, 0, 0, 0]),
      /expected 8 bytes of float32 \[2\] after the header, found 4/,
    ],
    [
      byHand("{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740993, 9)}"),
      /a shape of integers/,
    ],
    [byHand("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}"), /found 0/],
    [byHand("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", [1, 2]), /entry 1: expected a bool/],
  ])("refuses damaged bytes %#", (bytes, message) => {
    expect(() => decodeNpy(bytes, "x.npy")).toThrow(message);
    expect(() => decodeNpy(bytes, "x.npy")).toThrow(DataError);
    expect(() => decodeNpy(bytes, "x.npy")).toThrow(/^x\.npy: /);
  });

  it("inverts encodeNpy, also at odd offsets in memory", () => {
    fc.assert(
      fc.property(arrays, fc.integer({ min: 0, max: 7 }), (array, offset) => {
        const bytes = encodeNpy(array);
        const moved = new Uint8Array(bytes.byteLength + offset);
        moved.set(bytes, offset);
        expect(decodeNpy(moved.subarray(offset))).toEqual(array);
        expect((bytes.byteLength - array.data.byteLength) % 64).toBe(0);
      }),
    );
  });

  it("reads or refuses whatever bytes it is given", () => {
    const mutated = fc
      .tuple(
        arrays,
        fc.array(fc.tuple(fc.nat(150), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        fc.nat(200),
      )
      .map(([array, changes, cut]) => {
        const bytes = encodeNpy(array);
        for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
        return cut < 50 ? bytes.subarray(0, bytes.length - cut) : bytes;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), (bytes) => {
        const array = readsOrRefuses(() => decodeNpy(bytes));
        if (array !== undefined) expect(array.data.length).toBe(sizeOf(array.shape));
      }),
      { numRuns: 500 },
    );
  });
});

describe("npy files", () => {
  it("writes and reads back, and names a missing file", () =>
    inTemporaryFolder(async (folder) => {
      const array = float32([1, 2, 3, 4, 5, 6], [3, 2]);
      await writeNpy(join(folder, "a.npy"), array);
      expect(await readNpy(join(folder, "a.npy"))).toEqual(array);
      await expect(readNpy(join(folder, "b.npy"))).rejects.toThrow(/expected a .npy array, found nothing/);
    }));

  it("streams rows into the same bytes, under the final name only at close", () =>
    inTemporaryFolder(async (folder) => {
      const array = float32([1, 2, 3, 4, 5, 6], [3, 2]);
      const path = join(folder, "a.npy");
      const writer = await createNpyWriter(path, [3, 2], "float32");
      await writer.append(rows(array, 0, 1));
      await writer.append(rows(array, 1, 3));
      expect(await readdir(folder)).not.toContain("a.npy");
      await writer.close();
      expect(new Uint8Array(await readFile(path))).toEqual(encodeNpy(array));
      expect(await readdir(folder)).toEqual(["a.npy"]);
    }));

  it("refuses other shapes, too many rows and too few", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "a.npy");
      const writer = await createNpyWriter(path, [2, 2], "float32");
      await expect(writer.append(float32([1, 2, 3], [1, 3]))).rejects.toThrow(
        `${path}: rows must be float32 [k, 2], got float32 [1, 3].`,
      );
      await expect(writer.append(hostArray("uint8", [1, 2], new Uint8Array(2)))).rejects.toThrow(ShapeError);
      await expect(writer.append(float32(new Float32Array(6), [3, 2]))).rejects.toThrow(
        /expected 2 rows in all, got 3/,
      );
      await writer.append(float32([1, 2], [1, 2]));
      await expect(writer.close()).rejects.toThrow(/expected 2 rows before closing, found 1/);
      expect(await readdir(folder)).toEqual([]);
      await expect(createNpyWriter(path, [], "float32")).rejects.toThrow(ShapeError);
      expect(await readdir(folder)).toEqual([]);
    }));
});
