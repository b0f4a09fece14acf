import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { ConfigError, DataError, DiemError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import {
  createObservations,
  type NewObservationHeader,
  type ObservationBatch,
  openObservations,
} from "../../src/data/observations/observations.ts";
import { readsWithin } from "./mutations.ts";
import { inTemporaryFolder } from "./temporary.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures/data");

const MASK: NewObservationHeader = {
  operator: { name: "mask", maskShape: [1, 3] },
  latentShape: [2, 3],
  observationShape: [2, 3],
  noiseVariance: 1e-6,
};
const MATRIX: NewObservationHeader = {
  operator: { name: "matrix" },
  latentShape: [3],
  observationShape: [2],
  noiseVariance: "array",
};

function normal(rng: Rng, shape: readonly number[]): HostArray<"float32"> {
  const array = float32(new Float32Array(sizeOf(shape)), shape);
  rng.fillNormal(array.data);
  return array;
}

/** n observations with the last mask pixel always seen and the first never. */
function maskBatch(n: number, seed = 0): ObservationBatch {
  const rng = new Rng(seed);
  const mask = Float32Array.from({ length: 3 * n }, (_, i) => [0, rng.integer(2), 1][i % 3]!);
  return { y: normal(rng, [n, 2, 3]), data: { mask: float32(mask, [n, 1, 3]) } };
}

function matrixBatch(n: number, seed = 0): ObservationBatch {
  const rng = new Rng(seed);
  const variance = Float32Array.from({ length: 2 * n }, () => rng.uniform() + 0.1);
  return {
    y: normal(rng, [n, 2]),
    data: { matrix: normal(rng, [n, 2, 3]) },
    noiseVariance: float32(variance, [n, 2]),
  };
}

async function writeAll(
  path: string,
  header: NewObservationHeader,
  batch: ObservationBatch,
  chunkRows = 4,
): Promise<void> {
  const writer = await createObservations(path, header, batch.y.shape[0]!, { chunkRows });
  await writer.append(batch);
  await writer.close();
}

function hidden(batch: ObservationBatch): number[] {
  const mask = batch.data.mask!.data;
  return [...batch.y.data].map((value, flat) =>
    mask[Math.floor(flat / 6) * 3 + (flat % 3)] === 0 ? 0 : value,
  );
}

/** Appends one batch that is wrong, and expects nothing to be left. */
async function expectRefusal(
  header: NewObservationHeader,
  batch: ObservationBatch,
  message: RegExp,
): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const writer = await createObservations(join(folder, "o"), header, 9);
    const failure = await writer.append(batch).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DataError);
    expect((failure as Error).message).toMatch(message);
    expect((failure as Error).message).not.toContain("\n");
    expect(await readdir(folder)).toEqual([]);
    await expect(writer.close()).rejects.toThrow(/found it closed/);
  });
}

describe("observations from Python's zarr", () => {
  it("reads a mask in zstd chunks, with NaN where nothing was observed", async () => {
    const observations = await openObservations(join(FIXTURES, "mask-zstd"));
    expect(observations.count).toBe(5);
    expect(observations.header.units).toBe("reflectance");
    expect(observations.header.range).toEqual([-2, 2]);
    const { y, data } = await observations.read(1, 5);
    expect(data.mask!.shape).toEqual([4, 1, 2, 3]);
    for (let flat = 0; flat < y.data.length; flat++) {
      const i = 1 + Math.floor(flat / 12);
      const seen = (i + (flat % 6)) % 3 !== 1;
      expect(data.mask!.data[(i - 1) * 6 + (flat % 6)]).toBe(Number(seen));
      expect(y.data[flat]).toBe(seen ? (flat + 12) / 8 + 1 : 0);
    }
  });

  it("reads matrices and noise variances in gzip chunks", async () => {
    const observations = await openObservations(join(FIXTURES, "matrix-gzip"));
    const { y, data, noiseVariance } = await observations.read(2, 3);
    expect([...data.matrix!.data]).toEqual([1, -2, -5, -8, 4, 1, -2, -5]);
    expect([...y.data]).toEqual([3, 4]);
    expect([...noiseVariance!.data]).toEqual([0.1, 0.2].map(Math.fround));
  });
});

describe("createObservations", () => {
  it.each([1, 2, 4, 5, 11, 100])("writes masks in chunks of %i and reads any range back", (chunkRows) =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "o");
      const batch = maskBatch(11);
      await writeAll(path, { ...MASK, units: "m", range: [0, 1] }, batch, chunkRows);
      const observations = await openObservations(path);
      expect(observations.header).toEqual({
        format: "diem-observations",
        version: 1,
        ...MASK,
        units: "m",
        range: [0, 1],
      });
      const all = await observations.read(0, 11);
      expect(all.data.mask).toEqual(batch.data.mask);
      expect([...all.y.data]).toEqual(hidden(batch));
      const some = await observations.read(3, 9);
      expect(some.y.data).toEqual(all.y.data.slice(18, 54));
      expect(await readdir(folder)).toEqual(["o"]);
    }),
  );

  it("stores the masks of a composition as bits, other data as numbers, and hides what the masks hide", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "o");
      const header: NewObservationHeader = {
        operator: {
          name: "stack",
          parts: [
            {
              name: "compose",
              parts: [
                { name: "blur", kernelShape: [1, 3] },
                { name: "mask", maskShape: [1, 2, 4] },
                { name: "crop", size: [1, 2], start: [1, 1] },
              ],
            },
            { name: "fourier", maskShape: [4] },
          ],
        },
        latentShape: [1, 2, 4],
        observationShape: [2 + 16],
        noiseVariance: 1e-4,
      };
      const mask = float32([1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0], [2, 1, 2, 4]);
      const columns = float32([0, 1, 1, 0, 0, 0, 0, 1], [2, 4]);
      const kernel = float32([1, 2, 1, 0, 1, 0], [2, 1, 3]);
      const ones = float32(new Float32Array(36).fill(1), [2, 18]);
      const data = { "part0.part0.kernel": kernel, "part0.part1.mask": mask, "part1.mask": columns };
      await writeAll(path, header, { y: ones, data });
      const metadata = JSON.parse(await readFile(join(path, "part0.part1.mask/zarr.json"), "utf8"));
      expect([metadata.data_type, metadata.shape]).toEqual(["uint8", [2, 1]]);
      const batch = await (await openObservations(path)).read(0, 2);
      expect(batch.data).toEqual(data);
      const seen = [
        [0, 1, ...[0, 1, 1, 0], ...[0, 1, 1, 0], ...[0, 1, 1, 0], ...[0, 1, 1, 0]],
        [1, 0, ...[0, 0, 0, 1], ...[0, 0, 0, 1], ...[0, 0, 0, 1], ...[0, 0, 0, 1]],
      ];
      expect([...batch.y.data]).toEqual(seen.flat());
    }));

  it("gives the same folder however the batches were cut, without touching them", () =>
    inTemporaryFolder(async (folder) => {
      const batch = matrixBatch(10);
      await writeAll(join(folder, "a"), MATRIX, batch);
      const writer = await createObservations(join(folder, "b"), MATRIX, 10, { chunkRows: 4 });
      for (const [start, end] of [
        [0, 1],
        [1, 7],
        [7, 10],
      ] as const) {
        const cut = (array: HostArray<"float32">) => {
          const width = sizeOf(array.shape.slice(1));
          return float32(array.data.slice(start * width, end * width), [
            end - start,
            ...array.shape.slice(1),
          ]);
        };
        await writer.append({
          y: cut(batch.y),
          data: { matrix: cut(batch.data.matrix!) },
          noiseVariance: cut(batch.noiseVariance!),
        });
      }
      await writer.close();
      const [a, b] = [await openObservations(join(folder, "a")), await openObservations(join(folder, "b"))];
      expect(await b.checksum()).toBe(await a.checksum());
      expect(await b.read(0, 10)).toEqual(batch);
      const original = maskBatch(3);
      const before = original.y.data.slice();
      await writeAll(join(folder, "c"), MASK, original);
      expect(original.y.data).toEqual(before);
    }));

  it("changes its checksum with any byte", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "o");
      await writeAll(path, MASK, maskBatch(5));
      const observations = await openObservations(path);
      const before = await observations.checksum();
      expect(before).toMatch(/^[0-9a-f]{64}$/);
      await writeFile(join(path, "mask/c/.DS_Store"), "left by a desktop");
      expect(await observations.checksum()).toBe(before);
      const chunk = join(path, "mask/c/1/0");
      const bytes = await readFile(chunk);
      bytes[0]! ^= 128;
      await writeFile(chunk, bytes);
      expect(await observations.checksum()).not.toBe(before);
    }));

  it("refuses an existing path, a missing parent, and counts that do not fit", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "o");
      await writeAll(path, MASK, maskBatch(2));
      await expect(createObservations(path, MASK, 2)).rejects.toThrow(/expected no such folder, found one/);
      await expect(createObservations(join(folder, "x/y"), MASK, 2)).rejects.toThrow(
        /expected its folder to exist/,
      );
      await expect(createObservations(join(folder, "n"), MASK, 0)).rejects.toThrow(ConfigError);
      const few = await createObservations(join(folder, "few"), MASK, 3);
      await few.append(maskBatch(2));
      await expect(few.close()).rejects.toThrow(/expected 3 observations before closing, found 2/);
      const many = await createObservations(join(folder, "many"), MASK, 3);
      await many.append(maskBatch(2));
      await expect(many.append(maskBatch(2))).rejects.toThrow(/expected 3 observations in all, found 4/);
      const aborted = await createObservations(join(folder, "aborted"), MASK, 3);
      await aborted.abort();
      const late = await createObservations(join(folder, "late"), MASK, 2);
      await late.append(maskBatch(2));
      await mkdir(join(folder, "late"));
      await expect(late.close()).rejects.toThrow(/expected no such folder/);
      expect((await readdir(folder)).sort()).toEqual(["late", "o"]);
    }));

  it("names the observation and entry of what is wrong", async () => {
    const withValue = (batch: ObservationBatch, array: HostArray<"float32">, at: number, value: number) => {
      array.data[at] = value;
      return batch;
    };
    const a = maskBatch(3);
    await expectRefusal(
      MASK,
      withValue(a, a.y, 17, Number.NaN),
      /o: observation 2, entry 5: y is NaN\. Remove/,
    );
    const b = maskBatch(3);
    await expectRefusal(MASK, withValue(b, b.y, 8, -Infinity), /observation 1, entry 2: y is -Infinity/);
    const c = maskBatch(3);
    await expectRefusal(
      MASK,
      withValue(c, c.data.mask!, 5, 0.5),
      /observation 1, entry 2: expected a mask of 0 or 1, found 0.5/,
    );
    const d = maskBatch(3);
    d.data.mask!.data.fill(0, 6);
    await expectRefusal(MASK, d, /observation 2: expected something observed, found a mask of zeros/);
    const e = matrixBatch(3);
    await expectRefusal(
      MATRIX,
      withValue(e, e.data.matrix!, 7, Number.NaN),
      /observation 1, entry 1: expected a finite matrix/,
    );
    const f = matrixBatch(3);
    f.data.matrix!.data.fill(0, 0, 6);
    await expectRefusal(MATRIX, f, /observation 0: expected something observed, found a matrix of zeros/);
    for (const value of [0, -1, Number.NaN, Infinity]) {
      const g = matrixBatch(3);
      await expectRefusal(
        MATRIX,
        withValue(g, g.noiseVariance!, 3, value),
        /observation 1, entry 1: expected a noise variance above 0 and finite/,
      );
    }
  });

  it("refuses missing arrays and other shapes", async () => {
    const { y, data, noiseVariance } = matrixBatch(3);
    await expectRefusal(
      MATRIX,
      { y, data: {}, noiseVariance: noiseVariance! },
      /expected an array matrix, found none/,
    );
    await expectRefusal(MATRIX, { y, data }, /expected an array noise_variance, found none/);
    await expectRefusal(MASK, { ...maskBatch(3), noiseVariance: y }, /expected no noise_variance/);
    await expectRefusal(
      MASK,
      { ...maskBatch(3), y },
      /expected y float32 \[3, 2, 3\], found float32 \[3, 2\]/,
    );
    await expectRefusal(
      MASK,
      { ...maskBatch(3), data: maskBatch(2).data },
      /expected mask float32 \[3, 1, 3\]/,
    );
  });

  it.each([
    [
      { ...MASK, operator: { name: "mtrix" } },
      /operator.name: expected one of mask, matrix, crop, .*, found "mtrix".*Did you mean "matrix"/,
    ],
    [
      { ...MASK, operator: { name: "mask", maskShape: [2, 2] } },
      /maskShape: expected a shape that broadcasts to \[2, 3\], found \[2,2\]/,
    ],
    [
      { ...MASK, operator: { name: "mask", maskShape: [5, 2, 3] } },
      /maskShape: expected a shape that broadcasts/,
    ],
    [
      { ...MASK, observationShape: [6] },
      /observationShape: expected \[2, 3\], which operator mask makes of latents \[2, 3\], found \[6\]/,
    ],
    [
      {
        ...MASK,
        operator: { name: "compose", parts: [{ name: "mask", maskShape: [1, 3] }, { name: "blurr" }] },
      },
      /operator.parts\[1\].name: expected one of .*, found "blurr".*Did you mean "blur"/,
    ],
    [
      { ...MASK, latentShape: [3, 3], operator: { name: "fourier", maskShape: [3] } },
      /operator: k-space: latents must have 1 \(real\) or 2 \(complex\) channels, got \[3, 3\]/,
    ],
    [
      { ...MATRIX, operator: { name: "matrix", measurements: 3 } },
      /observationShape: expected \[3\], which operator matrix makes of latents \[3\], found \[2\]/,
    ],
    [
      { ...MASK, latentShape: [0, 3] },
      /latentShape: expected positive integers, at most 134217728 numbers in all, found \[0,3\]/,
    ],
    [
      { ...MASK, noiseVariance: 0 },
      /noiseVariance: expected a number above 0, or "array", found 0. Use a small variance/,
    ],
    [{ ...MASK, noiseVariance: Infinity }, /noiseVariance: expected a number above 0/],
    [{ ...MASK, range: [1, 0] }, /range: expected two numbers, the smaller one first/],
    [{ ...MASK, units: 3 }, /units: expected text/],
    [{ ...MASK, unit: "m" }, /header: expected fields .*, found "unit". Remove it. Did you mean "units"/],
  ])("refuses the header %#", (header, message) =>
    inTemporaryFolder(async (folder) => {
      const create = () => createObservations(join(folder, "o"), header as NewObservationHeader, 2);
      await expect(create()).rejects.toThrow(message);
      await expect(create()).rejects.toThrow(DataError);
      expect(await readdir(folder)).toEqual([]);
    }),
  );
});

describe("openObservations", () => {
  /** Damages a copy of a good folder, and expects a message on opening or reading. */
  async function expectDamage(damage: (path: string) => Promise<unknown>, message: RegExp): Promise<void> {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "o");
      await writeAll(path, MASK, maskBatch(6));
      await damage(path);
      const read = async () => (await openObservations(path)).read(0, 6);
      const failure = await read().catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(DataError);
      expect((failure as Error).message).toMatch(message);
      expect((failure as Error).message).not.toContain("\n");
    });
  }
  const edit = (file: string, from: string | RegExp, to: string) => async (path: string) => {
    const text = await readFile(join(path, file), "utf8");
    expect(text).toMatch(from);
    await writeFile(join(path, file), text.replace(from, to));
  };

  it.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    [
      "a missing folder",
      (path) => rm(path, { recursive: true }),
      /o: expected a folder of observations, found nothing/,
    ],
    ["an empty folder", (path) => rm(join(path, "zarr.json")), /with zarr.json, found none/],
    ["damaged JSON", (path) => truncate(join(path, "zarr.json"), 20), /with zarr.json, found a damaged one/],
    [
      "an array for a group",
      (path) => cp(join(path, "y/zarr.json"), join(path, "zarr.json")),
      /expected a Zarr group/,
    ],
    [
      "a group without header",
      edit("zarr.json", '"diem"', '"other"'),
      /attribute diem: expected a header, found nothing/,
    ],
    [
      "another format",
      edit("zarr.json", "diem-observations", "cats"),
      /format: expected "diem-observations", found "cats"/,
    ],
    ["another version", edit("zarr.json", '"version": 1', '"version": 2'), /version: expected 1, found 2/],
    [
      "a missing array",
      (path) => rm(join(path, "mask"), { recursive: true }),
      /mask: expected an array in the group, found none/,
    ],
    [
      "another dtype",
      edit("y/zarr.json", "float32", "float64"),
      /y: expected dtype float32, found "float64". Convert/,
    ],
    [
      "another shape",
      edit("mask/zarr.json", /"shape": \[\s*6/, '"shape": [7'),
      /mask: expected shape \[6, 1\], found \[7,1\]/,
    ],
    [
      "no observation",
      edit("y/zarr.json", /"shape": \[\s*6/, '"shape": [0'),
      /expected at least one observation, found 0/,
    ],
    [
      "a transposed array",
      edit("y/zarr.json", '"name": "bytes"', '"name": "transpose"'),
      /found transpose. Write it without/,
    ],
    [
      "a chunk shape of another rank",
      edit("y/zarr.json", /"chunk_shape": \[\s*4,/, '"chunk_shape": ['),
      /expected a chunk shape of 3 positive sizes/,
    ],
    [
      "a missing chunk",
      (path) => rm(join(path, "y/c/1/0/0")),
      /y: expected chunk c\/1\/0\/0 of observations 4 to 5, found no file/,
    ],
    [
      "a truncated chunk",
      (path) => truncate(join(path, "y/c/0/0/0"), 50),
      /y: expected 96 bytes in chunk c\/0\/0\/0 of observations 0 to 3, found 50/,
    ],
    [
      "NaN in y",
      (path) => writeFile(join(path, "y/c/1/0/0"), Buffer.alloc(96, 255)),
      /observation 4, entry 1: y is NaN/,
    ],
    [
      "an empty mask",
      (path) => writeFile(join(path, "mask/c/0/0"), Buffer.alloc(4)),
      /observation 0: expected something observed/,
    ],
  ])("refuses %s", (_, damage, message) => expectDamage(damage, message));

  it("refuses a file, a range outside, and a compressed chunk that does not decode", () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, "file"), "");
      await expect(openObservations(join(folder, "file"))).rejects.toThrow(
        /found a file. Give the path of the folder/,
      );
      const path = join(folder, "o");
      await cp(join(FIXTURES, "matrix-gzip"), path, { recursive: true });
      const observations = await openObservations(path);
      for (const [start, end] of [
        [-1, 1],
        [0, 4],
        [2, 2],
        [0.5, 1],
      ] as const)
        await expect(observations.read(start, end)).rejects.toThrow(/expected a range within \[0, 3\]/);
      await writeFile(join(path, "y/c/0/0"), "not gzip");
      await expect(observations.read(0, 2)).rejects.toThrow(/found a damaged one \(.*gzip/);
    }));

  const uint32 = (value: number) => [...new Uint8Array(Uint32Array.of(value).buffer)];
  const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
  it.each([
    ["gzip", gzipSync(Buffer.alloc(2 ** 24)), "gzip.*Cannot create a Buffer larger than 1041 bytes"],
    ["zlib", deflateSync(Buffer.alloc(2 ** 24)), "zlib.*Cannot create a Buffer larger than 1041 bytes"],
    [
      "zstd",
      [...ZSTD, 0xa0, ...uint32(2 ** 30), 1, 0, 0],
      "zstd.*expected 1041 bytes at most, found 1073741824 stated",
    ],
    ["zstd", [...ZSTD, 0x00, 0x58, 1, 0, 0], "zstd.*expected 1041 bytes at most, found no number stated"],
    [
      "blosc",
      [2, 1, 0x21, 4, ...uint32(2 ** 30), 0, 0, 0, 0, ...uint32(20), 0, 0, 0, 0],
      "blosc.*1073741824 stated",
    ],
    ["lz4", [...uint32(2 ** 30), 0x1f, 0, 1, 0], "lz4.*1073741824 stated"],
  ])("refuses a chunk in %s that would inflate to more than a chunk", (codec, bytes, message) =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "o");
      await cp(join(FIXTURES, "matrix-gzip"), path, { recursive: true });
      const metadata = await readFile(join(path, "y/zarr.json"), "utf8");
      await writeFile(join(path, "y/zarr.json"), metadata.replace('"gzip"', `"${codec}"`));
      await writeFile(join(path, "y/c/0/0"), Uint8Array.from(bytes));
      await readsWithin(2 ** 22, async () => {
        const read = (await openObservations(path)).read(0, 2);
        await expect(read).rejects.toThrow(
          new RegExp(`/y: expected a readable Zarr array, found.*${message}`),
        );
      });
    }),
  );

  // [ may begin another frame, of which the decompressor would wait for the rest for ever.
  it.each([
    [[...ZSTD, 0x20, 2, 0x11, 0, 0, 1, 2, 0x5b], "1 bytes behind it"],
    [[...ZSTD, 0x20, 2, 0x11, 0, 0, 1, 2, 0x28, 0xb5], "2 bytes behind it"],
    [[...ZSTD, 0x20, 2, 0x11, 0, 0, 1], "a part of it"],
  ])("refuses what is not one frame of zstd: %j", (bytes, found) =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "o");
      await cp(join(FIXTURES, "mask-zstd"), path, { recursive: true });
      await writeFile(join(path, "mask/c/0/0"), Uint8Array.from(bytes));
      const read = (await openObservations(path)).read(0, 2);
      await expect(read).rejects.toThrow(`/mask: expected a readable Zarr array, found a damaged one`);
      await expect(read).rejects.toThrow(`expected one Zstandard frame, found ${found}`);
    }),
  );

  it("makes nothing that the header calls for before the observations are there", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "o");
      await writeAll(path, MASK, maskBatch(6));
      const header = await readFile(join(path, "zarr.json"), "utf8");
      const described = (shape: string, maskShape: string) =>
        writeFile(
          join(path, "zarr.json"),
          header
            .replace(/("latentShape":)\s*\[[^\]]*\]/, `$1 ${shape}`)
            .replace(/("observationShape":)\s*\[[^\]]*\]/, `$1 ${shape}`)
            .replace(/("maskShape":)\s*\[[^\]]*\]/, `$1 ${maskShape}`),
        );
      await described("[2147483647]", "[1]");
      await expect(openObservations(path)).rejects.toThrow(
        "latentShape: expected positive integers, at most 134217728 numbers in all, found [2147483647]. Correct the header.",
      );
      await described("[134217728]", "[1]");
      await readsWithin(2 ** 20, async () => {
        await expect(openObservations(path)).rejects.toThrow(
          "y: expected shape [6, 134217728], found [6,2,3]",
        );
      });
    }));

  it(
    "reads or refuses a folder with any byte changed or cut off",
    () =>
      inTemporaryFolder(async (folder) => {
        await cp(join(FIXTURES, "mask-zstd"), join(folder, "mask"), { recursive: true });
        await cp(join(FIXTURES, "matrix-gzip"), join(folder, "matrix"), { recursive: true });
        await writeAll(join(folder, "plain"), MASK, maskBatch(6));
        const names = ["mask", "matrix", "plain"];
        const files = await Promise.all(names.map((name) => filesOf(join(folder, name))));
        const damage = fc.record({
          source: fc.nat(2),
          file: fc.nat(99),
          at: fc.nat(2000),
          byte: fc.nat(255),
          cut: fc.boolean(),
        });
        await fc.assert(
          fc.asyncProperty(damage, async ({ source, file, at, byte, cut }) => {
            const path = join(folder, names[source]!);
            const victim = join(path, files[source]![file % files[source]!.length]!);
            const good = await readFile(victim);
            const bytes = Uint8Array.from(good);
            bytes[at % bytes.length] = byte;
            await writeFile(victim, cut ? bytes.subarray(0, at % bytes.length) : bytes);
            try {
              const observations = await openObservations(path);
              await observations.read(0, observations.count);
            } catch (error) {
              if (!(error instanceof DiemError) || error.message.includes("\n")) throw error;
            }
            await writeFile(victim, good);
          }),
          { numRuns: 500 },
        );
      }),
    60_000,
  );
});

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
