import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openCifar10 } from "../../src/data/cifar10.ts";
import { tarFiles, tarGzFiles } from "../../src/data/tar.ts";
import { archive, entry, RECORD } from "./cifar-files.ts";
import { inTemporaryFolder } from "./temporary.ts";

const PICTURES = join(import.meta.dirname, "../fixtures/pictures");

/** Pictures in each file; the published ones have 10 000. */
const COUNT = 100;

/** Black pictures of label k, but picture i < 20 has label i mod 10 and red i, green 100 + i, blue row by row. */
function batch(k: number, count = COUNT): Uint8Array {
  const bytes = new Uint8Array(count * RECORD);
  for (let i = 0; i < count; i++) bytes[i * RECORD] = i < 20 ? i % 10 : k;
  for (let i = 0; i < 20; i++) {
    const first = i * RECORD + 1;
    bytes.fill(i, first, first + 1024);
    bytes.fill(100 + i, first + 1024, first + 2048);
    for (let j = 0; j < 1024; j++) bytes[first + 2048 + j] = 8 * Math.floor(j / 32) + k;
  }
  return bytes;
}

const names = ["test_batch", "data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];

describe("CIFAR-10", () => {
  test("has its labels, and channels red, green, blue in [-2, 2], from a folder as from the archive", async () => {
    await inTemporaryFolder(async (folder) => {
      const files = Object.fromEntries(names.map((name, k) => [`${name}.bin`, batch(k)]));
      for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
      // In the published archive, too, files stand in no order and others are among them.
      const shuffled = Object.fromEntries([
        ["readme.html", new TextEncoder().encode("<html>")],
        ...Object.entries(files).reverse(),
      ]);
      const path = join(folder, "cifar.tar.gz");
      writeFileSync(path, archive(shuffled));
      const scaled = (u: number) => Math.fround((4 * u) / 255 - 2);
      for (const source of [folder, path]) {
        const train = await openCifar10(source, "train", COUNT);
        expect(train.shape).toEqual([5 * COUNT, 3, 32, 32]);
        expect([...train.labels.subarray(19, 21)]).toEqual([9, 1]);
        expect([0, 1, 2, 3, 4].map((k) => train.labels[COUNT * k + COUNT - 1])).toEqual([1, 2, 3, 4, 5]);
        const { shape, data } = train.read(2 * COUNT + 3, 2 * COUNT + 5); // pictures 3 and 4 of the third file
        expect(shape).toEqual([2, 3, 32, 32]);
        for (const [at, value] of [
          [0, 3],
          [1023, 3],
          [1024, 103],
          [2048, 3], // k = 3 in row 0 of blue
          [2048 + 32 * 31, 8 * 31 + 3],
          [3072, 4],
        ] as const)
          expect(data[at]).toBe(scaled(value));
        expect(train.read(COUNT - 1, COUNT + 1).data[3072]).toBe(scaled(0));
        const held = await openCifar10(source, "test", COUNT);
        expect(held.shape).toEqual([COUNT, 3, 32, 32]);
        expect(held.read(5, 6).data[0]).toBe(scaled(5));
      }
    });
  });

  test("whose files are missing, short or have impossible labels is refused in a line", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "test_batch.bin");
      await expect(openCifar10(join(folder, "no"), "test")).rejects.toThrow(
        /expected CIFAR-10, found nothing/,
      );
      await expect(openCifar10(folder, "test")).rejects.toThrow(
        /test_batch.bin: expected a file of CIFAR-10, found nothing/,
      );
      const bytes = batch(0, 10_000);
      writeFileSync(path, bytes.subarray(0, 9999 * RECORD));
      await expect(openCifar10(folder, "test")).rejects.toThrow(
        /test_batch.bin: expected 30730000 bytes \(10000 pictures\), found 30726927. The file is damaged; download it again.$/,
      );
      bytes[77 * RECORD] = 10;
      writeFileSync(path, bytes);
      await expect(openCifar10(folder, "test")).rejects.toThrow(
        /test_batch.bin: picture 77: expected a label of 0 to 9, found 10/,
      );
    });
  });

  test("whose archive is damaged or another is refused in a line", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "a.tar.gz");
      const opened = async (bytes: Uint8Array) => {
        writeFileSync(path, bytes);
        return await openCifar10(path, "test");
      };
      const whole = archive({ "test_batch.bin": batch(0, 10_000) });
      await expect(opened(whole.subarray(0, whole.length - 500))).rejects.toThrow(
        /expected a whole tar.gz archive, found/,
      );
      await expect(opened(new TextEncoder().encode("<html>"))).rejects.toThrow(/found other bytes/);
      await expect(opened(gzipSync(Buffer.alloc(512, "x")))).rejects.toThrow(/found a damaged header/);
      await expect(opened(archive({ "test_batch.bin": new Uint8Array(10) }))).rejects.toThrow(
        /a.tar.gz: test_batch.bin: expected 30730000 bytes \(10000 pictures\), found 10/,
      );
      await expect(opened(archive({ data_batch_1: new Uint8Array(10) }))).rejects.toThrow(
        /expected the binary version of CIFAR-10, found no test_batch.bin inside. Give cifar-10-binary.tar.gz/,
      );
    });
  });
});

describe("tar archives", () => {
  test.each(["ustar", "gnu", "pax"])("of Python (%s) give all their files", async (format) => {
    const sizes: number[] = [];
    for await (const { name, bytes } of tarGzFiles(join(PICTURES, `${format}.tar.gz`), () => true)) {
      sizes.push(bytes.length);
      expect(name).toBe(`folder/${bytes.length}.bin`);
      expect([...bytes]).toEqual(Array.from({ length: bytes.length }, (_, i) => (i * i) % 251));
    }
    expect(sizes).toEqual([0, 1, 511, 512, 513, 5000]);
  });

  test("in pieces of any length are the same, and unwanted files are passed over", async () => {
    const bytes = Buffer.concat([
      entry("a", Buffer.from("no")),
      entry("b", Buffer.from("yes")),
      new Uint8Array(512),
    ]);
    for (const length of [1, 7, 512, 5000]) {
      const pieces = async function* () {
        for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
      };
      const found: string[] = [];
      for await (const file of tarFiles(pieces(), (name, size) => name === "b" && size === 3))
        found.push(new TextDecoder().decode(file.bytes));
      expect(found).toEqual(["yes"]);
    }
  });

  test("that end inside a file name it", async () => {
    const pieces = async function* () {
      yield entry("long", new Uint8Array(2000)).subarray(0, 1500);
    };
    const all = async () => {
      for await (const file of tarFiles(pieces(), () => true, "x.tar")) expect(file).toBeUndefined();
    };
    await expect(all()).rejects.toThrow(/^x.tar: .* found the end inside long. Download it again.$/);
  });
});
