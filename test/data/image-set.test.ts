import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32, hostArray } from "../../src/core/array.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { openImages } from "../../src/data/images/image-set.ts";
import { expectAllClose } from "../matchers.ts";

let folder = "";
const path = (name: string) => join(folder, name);

/** A folder of pictures of 3 x 2 pixels, one for each list of values. */
function pictures(name: string, channels: 1 | 2 | 3 | 4, values: number[][], depth: 8 | 16 = 8) {
  mkdirSync(path(name));
  values.forEach((list, i) => {
    const data = depth === 8 ? Uint8Array.from(list) : Uint16Array.from(list);
    writeFileSync(path(`${name}/${i}.png`), encode({ width: 3, height: 2, data, channels, depth }));
  });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-images-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("images of a folder", () => {
  test("are [N, C, H, W] in [0, 1], in the order of their names, whatever their depth and transparency", async () => {
    pictures("grey", 1, [
      [0, 51, 102, 153, 204, 255],
      [255, 0, 0, 0, 0, 0],
    ]);
    const grey = await openImages(path("grey"));
    expect(grey.shape).toEqual([2, 1, 2, 3]);
    expectAllClose(await grey.read(0, 1), float32([0, 0.2, 0.4, 0.6, 0.8, 1], [1, 1, 2, 3]));
    expectAllClose(await grey.read(1, 2), float32([1, 0, 0, 0, 0, 0], [1, 1, 2, 3]));

    pictures("deep", 1, [[0, 65535, 32768, 0, 0, 0]], 16);
    expectAllClose(
      await (await openImages(path("deep"))).read(0, 1),
      float32([0, 1, 32768 / 65535, 0, 0, 0], [1, 1, 2, 3]),
    );

    const rgb = Array.from({ length: 18 }, (_, i) => 10 * i);
    const rgba = Array.from({ length: 24 }, (_, i) =>
      i % 4 === 3 ? 7 : rgb[3 * Math.floor(i / 4) + (i % 4)]!,
    );
    pictures("colour", 3, [rgb]);
    pictures("transparent", 4, [rgba]);
    for (const name of ["colour", "transparent"]) {
      const found = await (await openImages(path(name))).read(0, 1);
      const expected = Array.from({ length: 18 }, (_, at) => rgb[3 * (at % 6) + Math.floor(at / 6)]! / 255);
      expectAllClose(found, float32(expected, [1, 3, 2, 3]));
    }
  });

  test("have a checksum of their content and order", async () => {
    const [black, white] = [Array(6).fill(0), Array(6).fill(255)];
    pictures("bw", 1, [black, white]);
    pictures("bw2", 1, [black, white]);
    pictures("wb", 1, [white, black]);
    const sum = async (name: string) => await (await openImages(path(name))).checksum();
    expect(await sum("bw")).toMatch(/^[0-9a-f]{64}$/);
    expect(await sum("bw2")).toBe(await sum("bw"));
    expect(await sum("wb")).not.toBe(await sum("bw"));
  });

  test("of several sizes, damaged, or none are refused with the file's name", async () => {
    pictures("mixed", 1, [Array(6).fill(0)]);
    const larger = encode({ width: 4, height: 4, data: new Uint8Array(16), channels: 1, depth: 8 });
    writeFileSync(path("mixed/1.png"), larger);
    await expect((await openImages(path("mixed"))).read(0, 2)).rejects.toThrow(
      /1\.png: expected \[1, 2, 3\] like 0\.png, found \[1, 4, 4\]/,
    );
    larger[45]! ^= 1;
    writeFileSync(path("mixed/1.png"), larger);
    await expect((await openImages(path("mixed"))).read(1, 2)).rejects.toThrow(
      /1\.png: .*found a damaged file/,
    );
    mkdirSync(path("empty"));
    await expect(openImages(path("empty"))).rejects.toThrow("expected PNG files in the folder, found none");
    await expect(openImages(path("nowhere"))).rejects.toThrow(
      "expected a .npy file or a folder of PNG files",
    );
  });
});

describe("images of an array", () => {
  const write = (name: string, array: Parameters<typeof encodeNpy>[0]) => {
    writeFileSync(path(name), encodeNpy(array));
    return openImages(path(name));
  };

  test("of bytes tell their range, floats do not, and grey ones may lack the axis of channels", async () => {
    const bytes = await write(
      "bytes.npy",
      hostArray(
        "uint8",
        [2, 2, 3],
        Uint8Array.from({ length: 12 }, (_, i) => i),
      ),
    );
    expect(bytes).toMatchObject({ shape: [2, 1, 2, 3], range: [0, 255] });
    expectAllClose(await bytes.read(1, 2), float32([6, 7, 8, 9, 10, 11], [1, 1, 2, 3]));
    const floats = await write("floats.npy", float32(new Float32Array(12), [1, 3, 2, 2]));
    expect(floats.range).toBeUndefined();
    bytes.close();
    floats.close();
  });

  test("with the channels last, or without pictures, are refused", async () => {
    await expect(write("last.npy", float32(new Float32Array(48), [1, 4, 4, 3]))).rejects.toThrow(
      "which looks like [N, H, W, C]. Move the channels: x.transpose(0, 3, 1, 2).",
    );
    await expect(write("flat.npy", float32([1, 2, 3]))).rejects.toThrow(
      "expected images [N, C, H, W], found [3]",
    );
  });
});
