import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { HostArray } from "../../src/core/array.ts";
import { decodeImage, readImage } from "../../src/data/images/image-file.ts";
import { readsWithin } from "./mutations.ts";

/** What test/fixtures/picture-kinds.py wrote: [H, W, C] as Pillow reads them. */
interface Golden {
  jpeg: Record<string, { size: [number, number]; values: string }>;
  png: Record<string, { bits: 8 | 16; values: string }>;
  transparent: Record<string, number>;
  turned: string;
}
const FOLDER = join(import.meta.dirname, "../fixtures/picture-kinds");
const golden: Golden = JSON.parse(readFileSync(`${FOLDER}.json`, "utf8"));
const IGNORE = { transparency: "ignore" } as const;
const REFUSE = { transparency: "refuse" } as const;
const bytesOf = (file: string) => new Uint8Array(readFileSync(join(FOLDER, file)));

/** The largest difference to Pillow's values, in steps of the file's bits. */
function difference({ shape, data }: HostArray<"float32">, values: string, bits: 8 | 16 = 8): number {
  const bytes = new Uint8Array(Buffer.from(values, "base64"));
  const expected = bits === 16 ? new Uint16Array(bytes.buffer) : bytes;
  const [C, H, W] = shape as [number, number, number];
  expect(C * H * W).toBe(expected.length);
  return data.reduce((most, value, i) => {
    const [c, pixel] = [Math.floor(i / (H * W)), i % (H * W)];
    return Math.max(most, Math.abs((2 ** bits - 1) * value - expected[C * pixel + c]!));
  }, 0);
}

/** Float32 keeps 16 bits to a hundredth of a step. */
const EXACT = 0.01;
/** Inks are decoded in JavaScript, which rounds its cosine transform in another way than libjpeg-turbo. */
const INKS = 2;

describe("JPEG", () => {
  test.each(Object.keys(golden.jpeg))("of the kind %s has the bytes of Pillow", async (name) => {
    const { size, values } = golden.jpeg[name]!;
    const image = await readImage(join(FOLDER, `${name}.jpg`), REFUSE);
    expect(image.shape).toEqual([name === "grey" ? 1 : 3, ...size]);
    expect(difference(image, values)).toBeLessThanOrEqual(/cmyk|ycck/.test(name) ? INKS : EXACT);
  });

  test("stored as red, green and blue is red where it is red", async () => {
    const { data } = await readImage(join(FOLDER, "red.jpg"), REFUSE);
    expect([data[0], data[256], data[512]].map((u) => Math.round(4 * u! - 2))).toEqual([2, -2, -2]);
  });

  test("of a kind that cannot be read right is refused", async () => {
    await expect(readImage(join(FOLDER, "12-bits.jpg"), REFUSE)).rejects.toThrow(
      /12-bits.jpg: expected a JPEG image of 8 bits a channel, found 12\. Save it with 8, or as PNG\.$/,
    );
    await expect(decodeImage(withFrame(0xc9), "a.jpg", REFUSE)).rejects.toThrow(
      /^a.jpg: expected a JPEG image of Huffman codes, found arithmetic coding\. Save it/,
    );
    await expect(decodeImage(withFrame(0xc5), "a.jpg", REFUSE)).rejects.toThrow(/found several frames/);
  });

  test("that declares more pixels than its bytes can hold is refused before room is made for them", async () => {
    const huge = withFrame(0xc0, 8000, 8000);
    await readsWithin(2 ** 20, () => decodeImage(huge, "a.jpg", REFUSE));
    await expect(decodeImage(huge, "a.jpg", REFUSE)).rejects.toThrow(
      /^a.jpg: expected at least 375000 bytes for \[8000, 8000\] pixels, found \d{3,4}\. The file is damaged; replace it\.$/,
    );
    await expect(decodeImage(withFrame(0xc0, 65535, 65535), "a.jpg", REFUSE)).rejects.toThrow(
      /expected between 1 and 100 million pixels, found \[65535, 65535\]/,
    );
    await expect(decodeImage(withFrame(0xc0, 0, 26), "a.jpg", REFUSE)).rejects.toThrow(/found \[0, 26\]/);
  });

  test("is decoded after a damaged one", async () => {
    const bytes = bytesOf("4-2-0.jpg");
    for (const length of [200, 400, bytes.length - 30])
      await expect(decodeImage(bytes.subarray(0, length), "a.jpg", REFUSE)).rejects.toThrow(/damaged/);
    expect(difference(await decodeImage(bytes, "a.jpg", REFUSE), golden.jpeg["4-2-0"]!.values)).toBeLessThan(
      EXACT,
    );
  });
});

/** 4-4-4.jpg with another kind or size of frame. */
function withFrame(marker: number, height?: number, width?: number): Uint8Array {
  const bytes = bytesOf("4-4-4.jpg");
  const at = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xc0);
  bytes[at + 1] = marker;
  const view = new DataView(bytes.buffer);
  if (height !== undefined) view.setUint16(at + 5, height);
  if (width !== undefined) view.setUint16(at + 7, width);
  return bytes;
}

describe("PNG", () => {
  test.each(Object.keys(golden.png))("of the kind %s has the values of Pillow", async (name) => {
    const { bits, values } = golden.png[name]!;
    expect(difference(await readImage(join(FOLDER, `${name}.png`), IGNORE), values, bits)).toBeLessThan(
      EXACT,
    );
  });

  test.each(Object.keys(golden.png))("of the kind %s is transparent where Pillow says so", async (name) => {
    const read = readImage(join(FOLDER, `${name}.png`), REFUSE);
    if (golden.transparent[name] === undefined) await read;
    else await expect(read).rejects.toThrow(/expected opaque pixels, found transparent ones/);
  });

  test("stands as its EXIF data say", async () => {
    const image = await readImage(join(FOLDER, "turned.png"), REFUSE);
    expect(image.shape).toEqual([3, 26, 19]);
    expect(difference(image, golden.turned)).toBeLessThan(EXACT);
  });

  test("that unpacks to more or less than its size is refused", async () => {
    const rows = 8 * (1 + 3 * 8);
    for (const length of [2 ** 26, rows + 1]) {
      const bomb = png([8, 8], new Uint8Array(length));
      await readsWithin(2 ** 22, () => decodeImage(bomb, "a.png", REFUSE));
      await expect(decodeImage(bomb, "a.png", REFUSE)).rejects.toThrow(
        /^a.png: expected a PNG image of grey or colour, found a damaged file \(more data than its \[8, 8\] pixels have\)/,
      );
    }
    await expect(decodeImage(png([8, 8], new Uint8Array(rows - 1)), "a.png", REFUSE)).rejects.toThrow(
      /less data than its pixels have/,
    );
    await readsWithin(2 ** 22, () => decodeImage(png([8000, 8000], new Uint8Array(9)), "a.png", REFUSE));
    await expect(decodeImage(png([2 ** 31, 8], new Uint8Array(9)), "a.png", REFUSE)).rejects.toThrow(
      /expected between 1 and 100 million pixels/,
    );
    expect((await decodeImage(png([8, 8], new Uint8Array(rows)), "a.png", REFUSE)).shape).toEqual([3, 8, 8]);
  });
});

/** A PNG of colour whose data unpack to the given rows. */
function png([height, width]: readonly [number, number], rows: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint16(8, 0x0802);
  const chunk = (type: string, content: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), content]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  return new Uint8Array(
    Buffer.concat([
      Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
      chunk("IHDR", new Uint8Array(header.buffer)),
      chunk("IDAT", deflateSync(rows)),
      chunk("IEND", new Uint8Array()),
    ]),
  );
}
