import { cpSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import jpeg from "jpeg-js";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { readNpy } from "../../src/data/arrays/npy.ts";
import { decodeImage, readImage } from "../../src/data/images/image-file.ts";
import { writeImageFolder } from "../../src/data/images/image-folder.ts";
import { orientationOf } from "../../src/data/images/orientation.ts";
import { resizeArea } from "../../src/data/images/resize-area.ts";
import { expectAllClose } from "../matchers.ts";
import { mutationsOf, readsWithin } from "./mutations.ts";
import { inTemporaryFolder } from "./temporary.ts";

const PICTURES = join(import.meta.dirname, "../fixtures/pictures");
const picture = (name: string) => join(PICTURES, name);
interface Golden {
  size: [number, number];
  rgb: number[];
  palette: number[];
  decoded: Record<string, number[]>;
  areas: Record<string, number[]>;
}
const golden: Golden = JSON.parse(readFileSync(join(PICTURES, "../pictures.json"), "utf8"));
const [H, W] = golden.size;
const IGNORE = { transparency: "ignore" } as const;
const REFUSE = { transparency: "refuse" } as const;

/** The largest difference of a picture to the bytes that Pillow reads, in bytes. */
async function differenceTo(expected: readonly number[], name: string): Promise<number> {
  const { data } = await readImage(picture(name), REFUSE);
  return data.reduce((most, value, i) => Math.max(most, Math.abs(255 * value - expected[i]!)), 0);
}

describe("pictures", () => {
  test("in PNG have the bytes that Pillow reads", async () => {
    expect((await readImage(picture("rgb.png"), REFUSE)).shape).toEqual([3, H, W]);
    expect(await differenceTo(golden.rgb, "rgb.png")).toBeLessThan(1e-4);
    expect(await differenceTo(golden.rgb, "opaque.png")).toBeLessThan(1e-4);
    expect(await differenceTo(golden.palette, "palette.png")).toBeLessThan(1e-4);
    const grey = await readImage(picture("grey.png"), REFUSE);
    expect(grey.shape).toEqual([1, H, W]);
    expectAllClose(
      grey,
      float32(
        golden.rgb.slice(0, H * W).map((u) => u / 255),
        [1, H, W],
      ),
    );
  });

  test.each(["baseline", "progressive", "grey", "subsampled"])(
    "in JPEG (%s) have the bytes that Pillow reads",
    async (name) => {
      expect(await differenceTo(golden.decoded[name]!, `${name}.jpg`)).toBeLessThan(1e-4);
    },
  );

  test("that are not opaque are refused, or their colours taken as they are", async () => {
    for (const name of ["transparent.png", "colour-key.png"]) {
      await expect(readImage(picture(name), REFUSE)).rejects.toThrow(
        /expected opaque pixels, found transparent ones/,
      );
      await readImage(picture(name), IGNORE);
    }
  });

  test("that are cut off or something else are refused by name", async () => {
    for (const name of readdirSync(PICTURES).filter((file) => /jpg|png/.test(file))) {
      const bytes = new Uint8Array(readFileSync(picture(name)));
      await expect(decodeImage(bytes.subarray(0, bytes.length >> 1), name, IGNORE)).rejects.toThrow(
        new RegExp(`^${name}: expected a (PNG|JPEG) image .*, found a damaged file`),
      );
    }
    await expect(decodeImage(new TextEncoder().encode("GIF89a"), "a.png", IGNORE)).rejects.toThrow(
      /^a.png: expected a PNG or JPEG image, found other bytes/,
    );
  });

  test("with damaged bytes are read or refused, never anything else", async () => {
    const originals = ["baseline.jpg", "progressive.jpg", "rgb.png", "palette.png"].map(
      (name) => new Uint8Array(readFileSync(picture(name))),
    );
    await fc.assert(
      fc.asyncProperty(mutationsOf(originals), async (bytes) => {
        await readsWithin(2 ** 28, () => decodeImage(bytes, "picture", REFUSE));
      }),
      { numRuns: 150, seed: 3 },
    );
  });
});

/** A JPEG file of squares of 8 x 8 pixels, one for each letter, a darker than b; an orientation in EXIF data. */
function letters(lines: readonly string[], orientation: number, endian: "II" | "MM"): Uint8Array {
  const [height, width] = [8 * lines.length, 8 * lines[0]!.length];
  const level = (i: number) => 30 * (lines[Math.floor(i / width / 8)]!.charCodeAt((i % width) / 8) - 96);
  const data = Uint8Array.from({ length: 4 * height * width }, (_, k) => level(Math.floor(k / 4)));
  const file = jpeg.encode({ data, width, height }, 100).data;
  const little = endian === "II";
  const tiff = new DataView(new ArrayBuffer(8 + 2 + 2 * 12 + 4));
  tiff.setUint16(0, little ? 0x4949 : 0x4d4d);
  tiff.setUint16(2, 42, little);
  tiff.setUint32(4, 8, little);
  tiff.setUint16(8, 2, little);
  [[0x0100, width] as const, [0x0112, orientation] as const].forEach(([tag, value], k) => {
    tiff.setUint16(10 + 12 * k, tag, little);
    tiff.setUint16(12 + 12 * k, 3, little); // a short
    tiff.setUint32(14 + 12 * k, 1, little);
    tiff.setUint16(18 + 12 * k, value, little);
  });
  const app1 = Buffer.concat([Buffer.from("Exif\0\0"), new Uint8Array(tiff.buffer)]);
  const length = Buffer.from([0xff, 0xe1, 0, app1.length + 2]);
  return Buffer.concat([file.subarray(0, 2), length, app1, file.subarray(2)]);
}

/** The letters that a picture shows. */
function lettersIn({ shape, data }: { readonly shape: readonly number[]; readonly data: Float32Array }) {
  const [, height, width] = shape as [number, number, number];
  const letter = (r: number, c: number) =>
    String.fromCharCode(96 + Math.round((255 * data[(8 * r + 4) * width + 8 * c + 4]!) / 30));
  return Array.from({ length: height / 8 }, (_, r) =>
    Array.from({ length: width / 8 }, (_, c) => letter(r, c)).join(""),
  );
}

describe("the orientation of a camera", () => {
  // What EXIF calls the 0th row and the 0th column of the stored picture abc/def, seen from the front.
  test.each([
    [1, ["abc", "def"]],
    [2, ["cba", "fed"]],
    [3, ["fed", "cba"]],
    [4, ["def", "abc"]],
    [5, ["ad", "be", "cf"]],
    [6, ["da", "eb", "fc"]],
    [7, ["fc", "eb", "da"]],
    [8, ["cf", "be", "ad"]],
    [0, ["abc", "def"]],
    [9, ["abc", "def"]],
  ])("%i shows abc/def as %j", async (orientation, seen) => {
    for (const endian of ["II", "MM"] as const) {
      const file = letters(["abc", "def"], orientation, endian);
      expect(lettersIn(await decodeImage(file, "letters", REFUSE))).toEqual(seen);
    }
  });

  test("in damaged data counts as none", () => {
    const tiff = [0x49, 0x49, 42, 0, 8, 0, 0, 0, 255, 255, 0x12, 1, 3, 0];
    for (let length = 0; length <= tiff.length; length++)
      expect(orientationOf(Uint8Array.from(tiff.slice(0, length)))).toBe(1);
    expect(orientationOf(Uint8Array.from([0x4d, 0x4d, 0, 42, 255, 255, 255, 255]))).toBe(1);
  });
});

describe("resizing by areas", () => {
  const x = float32(
    Array.from({ length: 3 * 16 * 24 }, (_, i) => {
      const [c, y, column] = [Math.floor(i / 384), Math.floor(i / 24) % 16, i % 24];
      return golden.rgb[(c * H + y) * W + column]!;
    }),
    [3, 16, 24],
  );

  test.each(Object.keys(golden.areas))("to %s agrees with OpenCV", (key) => {
    const size = key.split(",").map(Number) as [number, number];
    expectAllClose(resizeArea(x, size), float32(golden.areas[key]!, [3, ...size]), { relative: 1e-5 });
  });

  test("by hand: three pixels become two, and the rows around the centre are cut", () => {
    const row = float32([0, 3, 6], [1, 1, 3]);
    expect([...resizeArea(row, [1, 3]).data]).toEqual([0, 3, 6]);
    // scale 1.5: means over [0, 1.5) and [1.5, 3) of the middle one and a half rows of two
    const two = float32([0, 3, 6, 0, 3, 6], [1, 2, 3]);
    expect([...resizeArea(two, [1, 2]).data]).toEqual([1, 5]);
    const tall = float32([9, 1, 2, 9], [1, 4, 1]);
    expect([...resizeArea(tall, [1, 1]).data]).toEqual([1.5]);
  });

  test("keeps constants, and the mean where nothing is cut", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer(),
        (n, k, seed) => {
          const N = n + k;
          const values = Array.from({ length: N * N }, (_, i) => ((i + 7) * (seed % 1000)) % 256);
          const mean = (data: Float32Array) => data.reduce((sum, value) => sum + value, 0) / data.length;
          expect(
            resizeArea(float32(Array(N * N).fill(5), [1, N, N]), [n, n]).data.every(
              (v) => Math.abs(v - 5) < 1e-5,
            ),
          ).toBe(true);
          const image = float32(values, [1, N, N]);
          expect(mean(resizeArea(image, [n, n]).data)).toBeCloseTo(mean(image.data), 3);
        },
      ),
      { numRuns: 50, seed: 1 },
    );
  });

  test("to a larger size is refused", () => {
    expect(() => resizeArea(x, [17, 3])).toThrow(/at most the picture's \[16, 24\], got \[17, 3\]/);
  });
});

describe("a folder of pictures", () => {
  const fill = (folder: string, ...names: string[]) => {
    mkdirSync(join(folder, "in/sub"), { recursive: true });
    names.forEach((name, i) => {
      cpSync(picture(name), join(folder, "in", i % 2 ? "sub" : "", `${i}-${name}`));
    });
    return join(folder, "in");
  };

  test("is written in the order of names, red, green, blue, in [-2, 2]", async () => {
    await inTemporaryFolder(async (folder) => {
      const input = fill(folder, "rgb.png", "baseline.jpg", "grey.png");
      writeFileSync(join(input, "notes.txt"), "no picture");
      writeFileSync(join(input, "._0-rgb.png"), "no picture either");
      const seen: number[] = [];
      const out = join(folder, "deep/x.npy");
      const options = { size: [H, W] as const, onProgress: (done: number) => seen.push(done) };
      const result = await writeImageFolder(input, out, options);
      expect(result).toEqual({
        shape: [3, 3, H, W],
        files: ["0-rgb.png", "2-grey.png", "sub/1-baseline.jpg"],
        skipped: [],
      });
      expect(seen).toEqual([1, 2, 3]);
      const { data, shape } = await readNpy(out);
      expect(shape).toEqual([3, 3, H, W]);
      const values = data as Float32Array;
      const expected = golden.rgb.map((u) => (4 * u) / 255 - 2);
      expectAllClose(float32(values.slice(0, 3 * H * W)), float32(expected), { absolute: 1e-6 });
      const red = expected.slice(0, H * W);
      expectAllClose(float32(values.slice(3 * H * W, 6 * H * W)), float32([...red, ...red, ...red]), {
        absolute: 1e-6,
      });
      expect(readdirSync(join(folder, "deep"))).toEqual(["x.npy"]);
    });
  });

  test("in grey has the luminance", async () => {
    await inTemporaryFolder(async (folder) => {
      const out = join(folder, "x.npy");
      const { shape } = await writeImageFolder(fill(folder, "rgb.png", "grey.png"), out, {
        size: [H, W],
        grey: true,
      });
      expect(shape).toEqual([2, 1, H, W]);
      const [r, g, b] = [0, 1, 2].map((c) => golden.rgb[c * H * W]! / 255);
      const { data } = await readNpy(out);
      expect(data[0]).toBeCloseTo(4 * (0.299 * r! + 0.587 * g! + 0.114 * b!) - 2, 5);
      expect(data[H * W]).toBeCloseTo(4 * r! - 2, 5);
    });
  });

  test("with bad files names the first, or skips and counts them", async () => {
    await inTemporaryFolder(async (folder) => {
      const input = fill(folder, "rgb.png", "baseline.jpg", "transparent.png", "progressive.jpg");
      truncateSync(join(input, "sub/1-baseline.jpg"), 500);
      const out = join(folder, "x.npy");
      await expect(writeImageFolder(input, out, { size: [8, 8] })).rejects.toThrow(
        /2-transparent.png: .*opaque/,
      );
      expect(readdirSync(folder)).toEqual(["in"]);
      const { files, skipped, shape } = await writeImageFolder(input, out, { size: [8, 8], onBad: "skip" });
      expect(files).toEqual(["0-rgb.png", "sub/3-progressive.jpg"]);
      expect(skipped.map(({ path }) => path)).toEqual(
        ["2-transparent.png", "sub/1-baseline.jpg"].map((name) => join(input, name)),
      );
      expect(skipped[1]!.reason).toMatch(/1-baseline.jpg: expected a JPEG image .* found a damaged file/);
      expect((await readNpy(out)).shape).toEqual(shape);
      await expect(writeImageFolder(input, out, { size: [64, 64], onBad: "skip" })).rejects.toThrow(
        /expected usable pictures, found none in 4 files. .*0-rgb.png: expected at least \[64, 64\] pixels, found \[19, 26\]/,
      );
    });
  });

  test("that is missing or has no pictures is refused, and a stop leaves nothing", async () => {
    await inTemporaryFolder(async (folder) => {
      const out = join(folder, "x.npy");
      await expect(writeImageFolder(join(folder, "no"), out, { size: [8, 8] })).rejects.toThrow(
        /expected a folder of pictures, found nothing/,
      );
      mkdirSync(join(folder, "empty"));
      await expect(writeImageFolder(join(folder, "empty"), out, { size: [8, 8] })).rejects.toThrow(
        /expected PNG or JPEG files in the folder, found none/,
      );
      const stopped = { size: [8, 8] as const, signal: AbortSignal.abort() };
      await expect(writeImageFolder(fill(folder, "rgb.png"), out, stopped)).rejects.toMatchObject({
        name: "AbortedError",
      });
      expect(readdirSync(folder).sort()).toEqual(["empty", "in"]);
    });
  });
});
