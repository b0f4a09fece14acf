import { describe, expect, it } from "vitest";
import { parseJson, show } from "../../src/core/json.ts";
import { readJson } from "../../src/data/arrays/zarr-store.ts";
import { decodeSafetensors } from "../../src/nn/safetensors.ts";

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("parseJson", () => {
  it.each(['{"a": ["[[", "\\\\", "\\"]]"], "b": null}', nested(100), "1.5", '"\\u005b"'])(
    "reads %s",
    (text) => {
      expect(parseJson(text)).toEqual(JSON.parse(text));
    },
  );

  it.each(["", "{", '"\\', "[}"])("refuses %s as JSON does", (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it.each([101, 1_000_000])("refuses %i lists in each other", (depth) => {
    expect(() => parseJson(nested(depth))).toThrow("values nested more than 100 deep");
    expect(() => parseJson(`{"a": "]", "b": ${nested(depth)}}`)).toThrow("values nested more than 100 deep");
  });
});

it("show quotes at most 80 characters of anything", () => {
  expect(show({ a: [1, undefined] })).toBe('{"a":[1,null]}');
  expect(show("x".repeat(100))).toHaveLength(80);
  expect(show(undefined)).toBe("nothing");
  expect(show(JSON.parse(nested(100_000))).length).toBeLessThanOrEqual(80);
  expect(show(1n)).toBe("what JSON does not hold");
});

it("readers of headers take what is nested too deep for damage", async () => {
  const header = new TextEncoder().encode(`{"a": ${nested(1_000_000)}}`);
  const bytes = new Uint8Array([
    ...new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer),
    ...header,
  ]);
  expect(() => decodeSafetensors(bytes, "w")).toThrow(
    "w: expected a header that is a JSON object, found other bytes.",
  );
  const store = { root: "o", get: async () => header, set: () => Promise.reject(), size: async () => 0 };
  expect(await readJson(store, "/zarr.json")).toBe(null);
});
