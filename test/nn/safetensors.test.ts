import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesPerElement, type DType, float32, fromBytes, hostArray } from "../../src/core/array.ts";
import { DataError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/nn/safetensors.ts";
import { readsOrRefuses } from "../data/temporary.ts";

const REFERENCE = join(import.meta.dirname, "../fixtures/data/reference.safetensors");

function byHand(header: unknown, data: readonly number[] = []): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const u8 = (start: number, end: number) => ({
  dtype: "U8",
  shape: [end - start],
  data_offsets: [start, end],
});

const tensor = fc
  .tuple(
    fc.constantFrom<DType>("float32", "float64", "int32", "int64", "uint8", "bool"),
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    fc.nat(255),
  )
  .map(([dtype, shape, seed]) => {
    const bytes = Uint8Array.from({ length: sizeOf(shape) * bytesPerElement(dtype) }, (_, i) =>
      dtype === "bool" ? (seed + i) & 1 : seed + i,
    );
    return fromBytes(dtype, shape, bytes);
  });
const names = fc.oneof(
  fc.constantFrom("__proto__", "0", "constructor", "weight", "ß"),
  fc.string().filter((name) => name !== "__metadata__"),
);
const files = fc.tuple(
  fc.dictionary(names, tensor, { maxKeys: 5 }),
  fc.dictionary(names, fc.string(), { maxKeys: 3 }),
);

describe("safetensors", () => {
  it("reads what the reference implementation writes", async () => {
    const { tensors, metadata } = decodeSafetensors(await readFile(REFERENCE));
    expect(metadata).toEqual({ epoch: "3", name: "diem ±" });
    expect(tensors).toEqual({
      weight: float32([0, 0.25, 0.5, 0.75, 1, 1.25], [2, 3]),
      steps: hostArray("int64", [1], new BigInt64Array([2n ** 40n])),
      flags: hostArray("bool", [3], new Uint8Array([1, 0, 1])),
      bytes: hostArray("uint8", [5], new Uint8Array([0, 1, 2, 3, 4])),
      scalar: hostArray("float64", [], new Float64Array([2.5])),
    });
  });

  it("gives the same bytes for the same tensors in any order, aligned and decoded without a copy", () => {
    const a = hostArray("uint8", [3], new Uint8Array([1, 2, 3]));
    const b = hostArray("float64", [1], new Float64Array([4]));
    const bytes = encodeSafetensors({ a, b }, { y: "1", x: "2" });
    expect(encodeSafetensors({ b, a }, { x: "2", y: "1" })).toEqual(bytes);
    expect(new DataView(bytes.buffer).getUint32(0, true) % 8).toBe(0);
    expect(decodeSafetensors(bytes).tensors.b!.data.buffer).toBe(bytes.buffer);
  });

  it("refuses a tensor called __metadata__", () => {
    expect(() => encodeSafetensors({ __metadata__: float32([1]) })).toThrow(/Rename that tensor/);
  });

  it.each([
    [new Uint8Array(3), /expected at least 8 bytes, found 3/],
    [
      new Uint8Array(8).fill(255),
      /expected a header within 8 bytes, found one of 18446744073709552000 bytes/,
    ],
    [byHand("{").subarray(0, 9), /expected a header that is a JSON object/],
    [byHand([1]), /expected a header that is a JSON object/],
    [byHand({ __metadata__: { a: 1 } }), /expected texts in __metadata__/],
    [byHand({ a: 1 }), /tensor "a": expected dtype, shape and data_offsets, found 1/],
    [byHand({ a: { ...u8(0, 1), dtype: "BF16" } }, [1]), /found "BF16". Convert it to F32 first/],
    [byHand({ a: { ...u8(0, 1), shape: [-1] } }, [1]), /expected a shape of sizes, found \[-1\]/],
    [byHand({ a: { ...u8(0, 1), data_offsets: [0] } }, [1]), /expected two data_offsets/],
    [byHand({ a: { ...u8(0, 1), shape: [2] } }, [1]), /expected 2 bytes for U8 \[2\], found 1/],
    [byHand({ a: u8(0, 1), b: u8(2, 3) }, [1, 2, 3]), /expected tensor "b" at offset 1, found 2/],
    [byHand({ a: u8(0, 2), b: u8(1, 3) }, [1, 2, 3]), /expected tensor "b" at offset 2, found 1/],
    [byHand({ a: u8(0, 3) }, [1, 2]), /expected 3 bytes of data, found 2/],
    [byHand({ a: u8(0, 1) }, [1, 2]), /expected 1 bytes of data, found 2/],
    [byHand({ a: { ...u8(0, 1), dtype: "BOOL" } }, [2]), /expected 0 or 1 in "a"/],
  ])("refuses damaged bytes %#", (bytes, message) => {
    expect(() => decodeSafetensors(bytes, "w")).toThrow(message);
    expect(() => decodeSafetensors(bytes, "w")).toThrow(DataError);
  });

  it("inverts itself, whatever the names", () => {
    fc.assert(
      fc.property(files, ([tensors, metadata]) => {
        const decoded = decodeSafetensors(encodeSafetensors(tensors, metadata));
        expect(new Map(Object.entries(decoded.tensors))).toEqual(new Map(Object.entries(tensors)));
        expect(new Map(Object.entries(decoded.metadata))).toEqual(new Map(Object.entries(metadata)));
      }),
    );
  });

  it("reads or refuses whatever bytes it is given", () => {
    const changes = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 });
    const mutated = fc.tuple(files, changes, fc.nat(40)).map(([[tensors, metadata], changed, cut]) => {
      const bytes = encodeSafetensors(tensors, metadata);
      for (const [at, byte] of changed) if (at < bytes.length) bytes[at] = byte;
      return cut < 10 ? bytes.subarray(0, Math.max(0, bytes.length - cut)) : bytes;
    });
    const json = fc
      .tuple(fc.json(), fc.uint8Array({ maxLength: 8 }))
      .map(([text, data]) => byHand(text, [...data]));
    fc.assert(
      fc.property(fc.oneof(mutated, json, fc.uint8Array({ maxLength: 60 })), (bytes) => {
        readsOrRefuses(() => decodeSafetensors(bytes));
      }),
      { numRuns: 500 },
    );
  });
});
