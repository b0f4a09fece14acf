import fc from "fast-check";
import { DiemError } from "../../src/core/errors.ts";

/** Texts that parsers of sizes and JSON stumble over. */
const TOKENS = [
  "-1",
  "0",
  "4294967296",
  "9007199254740993",
  "1e999",
  "null",
  '"x"',
  "[",
  "]",
  "{",
  "}",
  ",",
  "\0",
];

const edit = fc.oneof(
  fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }), keep: fc.boolean() }),
  fc.record({
    at: fc.nat(),
    bytes: fc.constantFrom(...TOKENS).map((token) => new TextEncoder().encode(token)),
    keep: fc.boolean(),
  }),
);

/** Random bytes, and valid files with bytes replaced, inserted and cut off. */
export function mutationsOf(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const mutated = fc
    .record({
      file: fc.nat(),
      edits: fc.array(edit, { maxLength: 4 }),
      cut: fc.option(fc.nat(), { freq: 3 }),
    })
    .map(({ file, edits, cut }) => {
      let bytes = valid[file % valid.length]!;
      for (const { at, bytes: inserted, keep } of edits) {
        // Headers are short and come first: half of the edits go there.
        const place = at % (at % 2 === 0 ? bytes.length + 1 : Math.min(bytes.length, 128) + 1);
        const rest = bytes.subarray(keep ? place : Math.min(place + inserted.length, bytes.length));
        bytes = new Uint8Array([...bytes.subarray(0, place), ...inserted, ...rest]);
      }
      return cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
    });
  return fc.oneof(
    { weight: 4, arbitrary: mutated },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 120 }) },
  );
}

const wild = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    "",
    "mask",
    0,
    -1,
    0.5,
    2 ** 31,
    2 ** 53,
    1e300,
    [],
    {},
    [0],
    [2, 3],
    ["a"],
  ),
  fc.constantFrom<unknown>(
    [2 ** 20, 2 ** 20],
    { name: "mask" },
    { name: "toString" },
    { name: "compose", parts: [] },
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** A JSON value in which one or two places hold something else. */
export function jsonMutationsOf(valid: readonly unknown[]): fc.Arbitrary<unknown> {
  const change = fc.record({
    place: fc.nat(),
    key: fc.option(fc.string({ maxLength: 6 }), { freq: 5 }),
    value: wild,
  });
  return fc
    .record({ from: fc.nat(), changes: fc.array(change, { minLength: 1, maxLength: 2 }) })
    .map(({ from, changes }) => {
      const root = { root: JSON.parse(JSON.stringify(valid[from % valid.length])) as unknown };
      for (const { place, key, value } of changes) {
        const all = places(root);
        const [holder, name] = all[place % all.length]!;
        // As JSON.parse would, "__proto__" included; a copy, or it could come to hold itself.
        Object.defineProperty(holder, Array.isArray(holder) ? name : (key ?? name), {
          value: structuredClone(value),
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
      return root.root;
    });
}

/** Every place of a JSON value, as the object or list that holds it and its name there. */
function places(holder: object): [Record<string, unknown>, string][] {
  return Object.entries(holder).flatMap(([name, value]): [Record<string, unknown>, string][] => [
    [holder as Record<string, unknown>, name],
    ...(typeof value === "object" && value !== null ? places(value) : []),
  ]);
}

/**
 * Runs a reader that may return or throw an error that is meant to be read, and nothing else, and that allocates at
 * most a few times its input.
 */
export async function readsWithin(limit: number, read: () => unknown): Promise<void> {
  const before = process.memoryUsage().arrayBuffers;
  try {
    await read();
  } catch (error) {
    if (!(error instanceof DiemError)) throw error;
    if (error.message.includes("\n")) throw new Error(`several lines: ${error.message}`, { cause: error });
  }
  // What the collector frees meanwhile only hides some; a size from a damaged header would be gigabytes.
  const allocated = process.memoryUsage().arrayBuffers - before;
  if (allocated > limit) throw new Error(`allocated ${allocated} bytes, more than ${limit}`);
}
