import { describe, expect, test } from "vitest";
import { float32, fromBytes, hostArray, rows, toBytes } from "../../src/core/array.ts";
import {
  broadcastShapes,
  expectShape,
  formatShape,
  normalizeAxis,
  sameShape,
  sizeOf,
  stridesOf,
} from "../../src/core/shape.ts";

test("sizes and strides are row-major", () => {
  expect([sizeOf([2, 3, 4]), sizeOf([]), sizeOf([2, 0])]).toEqual([24, 1, 0]);
  expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
  expect(stridesOf([])).toEqual([]);
});

test("shapes compare by rank and sizes", () => {
  expect(sameShape([1, 2], [1, 2])).toBe(true);
  expect(sameShape([1, 2], [2, 1])).toBe(false);
  expect(sameShape([2], [2, 1])).toBe(false);
  expect(formatShape([2, 3])).toBe("[2, 3]");
});

test("shapes broadcast as in NumPy", () => {
  expect(broadcastShapes([4, 1, 3], [2, 1], "add")).toEqual([4, 2, 3]);
  expect(broadcastShapes([], [2], "add")).toEqual([2]);
  expect(broadcastShapes([1], [0], "add")).toEqual([0]);
  expect(() => broadcastShapes([2, 3], [2], "add")).toThrow("add: shapes [2, 3] and [2] do not broadcast.");
});

test("negative axes count from the end", () => {
  expect([normalizeAxis(-1, 3, "sum"), normalizeAxis(0, 3, "sum")]).toEqual([2, 0]);
  for (const axis of [3, -4, 0.5])
    expect(() => normalizeAxis(axis, 3, "sum")).toThrow(`sum: axis must be in [-3, 2], got ${axis}.`);
});

describe("expectShape", () => {
  test("binds letters", () => {
    expect(expectShape([5, 3, 8, 8], ["B", 3, "H", "H"], "UNet: x")).toEqual({ B: 5, H: 8 });
    expect(expectShape([], [], "loss")).toEqual({});
  });

  test.each([
    [[5, 1, 8, 8], "UNet: x must be [B, 3, H, H], got [5, 1, 8, 8] (axis 1: expected 3, got 1)."],
    [[5, 3, 8, 7], "UNet: x must be [B, 3, H, H], got [5, 3, 8, 7] (axis 3: expected 8, got 7)."],
    [[5, 3], "UNet: x must be [B, 3, H, H], got [5, 3] (4 axes expected, got 2)."],
  ])("refuses %j", (shape, message) => {
    expect(() => expectShape(shape, ["B", 3, "H", "H"], "UNet: x")).toThrow(message);
  });
});

describe("host arrays", () => {
  test("refuse data that does not fit their shape", () => {
    expect(() => hostArray("int32", [2, 2], new Int32Array(3))).toThrow(
      "hostArray: shape [2, 2] needs 4 elements, got 3.",
    );
  });

  test("come back from their bytes, aligned or not", () => {
    const x = float32([1, 2.5, -3], [3, 1]);
    expect(fromBytes("float32", [3, 1], toBytes(x)).data.buffer).toBe(x.data.buffer);
    const shifted = new Uint8Array(13);
    shifted.set(toBytes(x), 1);
    expect(fromBytes("float32", [3, 1], shifted.subarray(1))).toEqual(x);
  });

  test("come back from a Buffer, whose slice is a view", () => {
    const shifted = Buffer.alloc(9);
    shifted.writeFloatLE(1.5, 1);
    shifted.writeFloatLE(-2, 5);
    expect([...fromBytes("float32", [2], shifted.subarray(1)).data]).toEqual([1.5, -2]);
  });

  test("refuse bytes that do not fit", () => {
    expect(() => fromBytes("float32", [2], new Uint8Array(7))).toThrow(
      "fromBytes: float32 [2] needs 8 bytes, got 7.",
    );
  });

  test("give views of their rows", () => {
    const x = float32([1, 2, 3, 4, 5, 6], [3, 2]);
    const middle = rows(x, 1, 2);
    expect(middle).toEqual(float32([3, 4], [1, 2]));
    middle.data[0] = 9;
    expect(x.data[2]).toBe(9);
  });
});
