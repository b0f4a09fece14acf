import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fileNames, naturalOrder } from "../../src/data/images/folder-names.ts";
import { inTemporaryFolder } from "./temporary.ts";

describe("natural order", () => {
  test("counts numbers, wherever they stand in a name", () => {
    const sorted = ["0", "1", "2", "9", "010", "10", "11", "a2b10", "a02b11", "a10b1", "b", "b1", "b10"];
    expect([...sorted].reverse().sort(naturalOrder)).toEqual(sorted);
    expect(["x99999999999999999999", "x100000000000000000000"].sort(naturalOrder)[0]).toMatch(/^x9/);
  });

  test("is one order: the same whatever the order before, and no two names are equal", () => {
    const name = fc.string({ unit: fc.constantFrom("0", "1", "2", "a", ".", "-"), maxLength: 6 });
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 8 }), fc.infiniteStream(fc.nat()), (names, keys) => {
        const shuffled = names.map((text) => ({ text, key: keys.next().value! }));
        const other = shuffled.sort((a, b) => a.key - b.key).map(({ text }) => text);
        expect(other.sort(naturalOrder)).toEqual([...names].sort(naturalOrder));
      }),
      { numRuns: 200, seed: 2 },
    );
  });
});

test("files of a folder are those that are not hidden, with the extension in any letters", async () => {
  await inTemporaryFolder(async (folder) => {
    mkdirSync(join(folder, "sub"));
    for (const name of ["10.png", "2.PNG", "._2.png", ".hidden.png", "3.jpg", "sub/1.png"])
      writeFileSync(join(folder, name), "");
    const options = { extensions: ["png"], what: "PNG files", wanted: "a folder of PNG files" };
    expect(await fileNames(folder, options)).toEqual(["2.PNG", "10.png"]);
    expect(await fileNames(folder, { ...options, recursive: true })).toEqual([
      "2.PNG",
      "10.png",
      "sub/1.png",
    ]);
  });
});
