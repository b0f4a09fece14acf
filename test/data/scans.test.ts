import { existsSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { isErrorOf } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { openFastMri, readFastMriAttributes } from "../../src/data/scans/fastmri.ts";
import { fourier } from "../../src/data/scans/host-fourier.ts";
import { openNifti } from "../../src/data/scans/nifti.ts";
import { averageBlocks, imageOfKspace } from "../../src/data/scans/resize-slices.ts";
import { openScans } from "../../src/data/scans/scans.ts";
import { expectAllClose } from "../matchers.ts";
import { inTemporaryFolder } from "./temporary.ts";

const FIXTURES = join(import.meta.dirname ?? ".", "../fixtures/scans");
const at = (name: string) => join(FIXTURES, name);
/** What test/fixtures/scans.py wrote: voxel [s, h, w] = 100 s + 10 h + w, [5, 8, 6]. */
const slice = (s: number) => Array.from({ length: 48 }, (_, k) => 100 * s + 10 * Math.floor(k / 6) + (k % 6));

describe("fastMRI volumes", () => {
  test("are read slice by slice", async () => {
    const source = await openFastMri(at("volume.h5"), "reconstruction_rss");
    expect([source.count, source.shape]).toEqual([5, [8, 6]]);
    for (const s of [4, 0, 2]) expectAllClose(source.read(s), slice(s));
    expect(() => source.read(5)).toThrow(/slice in \[0, 4\], found 5/);
    source.close();
    expect(await readFastMriAttributes(at("volume.h5"))).toEqual({ max: 475, acquisition: "TEST" });
  });

  test("hold complex k-space whose inverse DFT is the image", async () => {
    const source = await openFastMri(at("volume.h5"), "kspace");
    expect(source.shape).toEqual([1, 2, 8, 6]);
    const image = fourier(float32(source.read(3).data, [2, 8, 6]), { inverse: true });
    expectAllClose(image.data, [...slice(3), ...slice(3).map((v) => 0.5 * v)]);
    const coils = await openFastMri(at("coils.h5"), "kspace");
    expect(coils.shape).toEqual([2, 2, 8, 6]);
    // The second coil is 2i times the first: (2i)(1 + 0.5i) = -1 + 2i.
    const second = fourier(float32(coils.read(3).data.slice(96), [2, 8, 6]), { inverse: true });
    expectAllClose(second.data, [...slice(3).map((v) => -v), ...slice(3).map((v) => 2 * v)]);
    source.close();
    coils.close();
  });

  test.each([
    ["absent.h5", "reconstruction_rss", /expected an HDF5 file, found none/],
    ["truncated.h5", "reconstruction_rss", /truncated\.h5: .*(damage|damaged)/],
    ["volume.nii", "reconstruction_rss", /(damage|damaged)/],
    ["no-rss.h5", "reconstruction_rss", /expected a dataset reconstruction_rss, found kspace/],
    ["flat.h5", "reconstruction_rss", /expected real numbers \[slices, H, W\], found values \[8, 6\]/],
    ["flat.h5", "kspace", /expected complex/],
  ] as const)("%s, %s is refused by name", async (name, dataset, message) => {
    await expect(openFastMri(at(name), dataset)).rejects.toThrow(message);
    await expect(openFastMri(at(name), dataset)).rejects.toSatisfy((e) => isErrorOf(e, "DataError"));
  });
});

describe("HDF5 files", () => {
  const RSS = "reconstruction_rss";

  test.each([
    ["external.h5", "/etc/passwd"],
    ["link.h5", "/volume.h5"],
    ["indirect-link.h5", "/volume.h5"],
    ["virtual.h5", "/volume.h5"],
  ])("%s is refused, for its values are in %s", async (name, other) => {
    const read = async () => (await openFastMri(at(name), RSS)).read(0);
    await expect(read()).rejects.toThrow(
      `expected values in the file itself, found a reference to the file ${other}. Copy them into it`,
    );
  });

  test("with slices that only their shape makes large are refused", async () => {
    await expect(openFastMri(at("huge.h5"), RSS)).rejects.toThrow(
      "expected slices of at most 134217728 numbers, found [40000, 40000]. Skip the file.",
    );
  });

  test("tell what is damaged in one line, and nothing is printed", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const source = await openFastMri(at("damaged-slice.h5"), RSS);
    expect(() => source.read(3)).toThrow(
      /^\S+damaged-slice\.h5: reconstruction_rss, slice 3: expected readable HDF5, found damage \(filter returned failure during read\)\. Fetch/,
    );
    expectAllClose(source.read(4), slice(4));
    source.close();
    expect(printed).not.toHaveBeenCalled();
  });

  test("are closed even where the library fails at that", async () => {
    const source = await openFastMri(at("volume.h5"), RSS);
    const { File } = await import("h5wasm");
    const close = vi.spyOn(File.prototype, "close").mockImplementation(() => {
      throw new Error("memory access out of bounds");
    });
    source.close();
    expect(close).toHaveBeenCalledOnce();
    close.mockRestore();
    source.close();
  });

  test("with a global heap whose objects have no size are refused; the library would read them for ever", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "volume.h5");
      for (const [index, size] of [
        [0, 0n],
        [1, 2n ** 64n - 16n],
      ] as const) {
        const bytes = await readFile(at("volume.h5"));
        const object = bytes.indexOf("GCOL") + 16;
        bytes.writeUInt16LE(index, object);
        bytes.writeBigUInt64LE(size, object + 8);
        await writeFile(path, bytes);
        await expect(readFastMriAttributes(path)).rejects.toThrow(
          /volume\.h5: attributes: expected readable HDF5, found damage/,
        );
      }
    }));

  test("are read by a library of new memory after one that damage has thrown off", async () => {
    const { File } = await import("h5wasm");
    const keys = vi.spyOn(File.prototype, "keys").mockImplementation(() => {
      throw Object.assign(new Error("memory access out of bounds"), { name: "RuntimeError" });
    });
    await expect(openFastMri(at("volume.h5"), RSS)).rejects.toThrow(/found damage \(memory access/);
    const source = await openFastMri(at("volume.h5"), RSS);
    expectAllClose(source.read(3), slice(3));
    source.close();
    keys.mockRestore();
  });

  test("do not know of each other: neither damage, nor another file under the same path, nor handles stay", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "volume.h5");
      const [whole, cut, damaged] = await Promise.all(
        ["volume.h5", "truncated.h5", "damaged-slice.h5"].map((name) => readFile(at(name))),
      );
      const handles = () => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0);
      await (await openFastMri(at("volume.h5"), RSS)).close(); // the library is loaded
      const before = handles();
      for (let k = 0; k < 300; k++) {
        await writeFile(path, cut!);
        await expect(openFastMri(path, RSS)).rejects.toThrow(/expected readable HDF5/);
        await writeFile(path, damaged!);
        const source = await openFastMri(path, RSS);
        expect(() => source.read(3)).toThrow(/expected readable HDF5/);
        if (k % 2 === 0) source.close();
      }
      expect(handles()).toBeLessThanOrEqual(before + 4);
      await writeFile(path, whole!);
      const [good, other] = [await openFastMri(path, RSS), await openFastMri(at("smooth.h5"), RSS)];
      expectAllClose(good.read(3), slice(3));
      expect(other.shape).toEqual([16, 16]);
      other.close();
      expectAllClose(good.read(1), slice(1));
      good.close();
      good.close();
    }));
});

describe("NIfTI volumes", () => {
  test.each(["volume.nii", "volume.nii.gz", "big-endian.nii"])("%s gives slices along each axis", (name) => {
    const source = openNifti(at(name), 2);
    expect([source.count, source.shape]).toEqual([5, [8, 6]]);
    expectAllClose(source.read(4), slice(4));
    source.close();
    const sagittal = openNifti(at(name), 0);
    expect([sagittal.count, sagittal.shape]).toEqual([6, [5, 8]]);
    // [z, y] at x = 2
    const expected = Array.from({ length: 40 }, (_, k) => 100 * Math.floor(k / 8) + 10 * (k % 8) + 2);
    expectAllClose(sagittal.read(2), expected);
    sagittal.close();
    const coronal = openNifti(at(name), 1);
    expectAllClose(
      coronal.read(3),
      Array.from({ length: 30 }, (_, k) => 100 * Math.floor(k / 6) + 30 + (k % 6)),
    );
    coronal.close();
  });

  test("scaled integers get their slope and intercept", () => {
    const source = openNifti(at("scaled.nii"), 2);
    const { data } = source.read(1);
    // 100 s + 10 h + w = 100, 101, ... as uint8 // 4 = 25, 25, 25, 25, 26, 26 and then 0.5 x - 1
    expectAllClose(data.subarray(0, 6), [11.5, 11.5, 11.5, 11.5, 12, 12]);
    source.close();
  });

  test.each([
    ["absent.nii", /found nothing/],
    ["truncated.nii", /expected 832 bytes for \[6, 8, 5\], found 732/],
    ["truncated.nii.gz", /expected gzip/],
    ["series.nii", /three axes, found dimensions \[4, 4, 4, 3\]/],
    ["complex.nii", /real voxels, found NIfTI data type 32/],
    ["volume.h5", /expected a NIfTI file/],
  ] as const)("%s is refused by name", (name, message) => {
    expect(() => openNifti(at(name), 2)).toThrow(message);
  });
});

describe("resizing", () => {
  test("averages blocks of the centre: 6 x 5 to 2 x 2 by the middle 4 x 4", () => {
    const image = float32(
      Array.from({ length: 30 }, (_, k) => k),
      [6, 5],
    );
    // rows 1..4, columns 0..3: the block at the top left holds 5, 6, 10, 11
    expect([...averageBlocks(image, [2, 2]).data]).toEqual([8, 10, 18, 20]);
    expect(() => averageBlocks(image, [7, 2])).toThrow(/at most the slices' \[6, 5\], got \[7, 2\]/);
  });

  test("a constant image and a slow wave survive the cut of k-space, at smaller size", () => {
    const [h, w] = [12, 8];
    const wave = (n: number, H: number) =>
      Float32Array.from({ length: n }, (_, k) => 3 + Math.cos((2 * Math.PI * Math.floor(k / (n / H))) / H));
    const image = float32([...wave(h * w, h), ...new Float32Array(h * w)], [2, h, w]);
    const small = imageOfKspace(fourier(image), [6, 4]);
    // Wave of one period sampled at every second row, both centred on the middle row.
    const expected = Float32Array.from(
      { length: 24 },
      (_, k) => 3 + Math.cos((2 * Math.PI * Math.floor(k / 4)) / 6),
    );
    expectAllClose(small.data.subarray(0, 24), expected);
  });

  test("the host's DFT keeps norms and inverts itself, for lengths with any factors", () => {
    const sizes = fc.tuple(fc.integer({ min: 1, max: 23 }), fc.integer({ min: 1, max: 23 }));
    fc.assert(
      fc.property(sizes, fc.nat(), ([H, W], seed) => {
        const x = float32(new Float32Array(2 * H * W), [2, H, W]);
        new Rng(seed).fillNormal(x.data);
        const X = fourier(x);
        const norm = (a: Float32Array) => Math.hypot(...a);
        expect(norm(X.data) / norm(x.data)).toBeCloseTo(1, 5);
        expectAllClose(fourier(X, { inverse: true }), x);
      }),
      { numRuns: 40 },
    );
  });
});

describe("scans", () => {
  test("are scaled by the largest value in the range of slices", async () => {
    const scans = await openScans([at("volume.h5"), at("volume.nii.gz")], { slices: [1, 3] });
    expect(scans.shape).toEqual([1, 8, 6]);
    expect(scans.slices.map(({ volume, slice }) => [volume, slice])).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 1],
      [1, 2],
      [1, 3],
    ]);
    // The range ends with slice 3, whose largest value is 375.
    for (const k of [1, 4])
      expectAllClose(
        scans.read(k).data,
        slice(2).map((v) => (4 * v) / 375 - 2),
      );
    scans.close();
  });

  test("k-space becomes complex images 2 x / max |x|", async () => {
    const scans = await openScans([at("volume.h5")], { dataset: "kspace", slices: [0, 40] });
    const scale = 2 / (475 * Math.hypot(1, 0.5));
    expect(scans.shape).toEqual([2, 8, 6]);
    expectAllClose(
      scans.read(4).data,
      [...slice(4), ...slice(4).map((v) => v / 2)].map((v) => v * scale),
    );
    scans.close();
  });

  test("bad files and slices are refused, or skipped, named and counted", async () => {
    const names = ["damaged-slice.h5", "truncated.h5", "no-rss.h5", "nan.h5", "zeros.h5", "other-size.h5"];
    for (const name of names.slice(0, 5))
      await expect(openScans([at(name)], { slices: [0, 4] })).rejects.toThrow(name);
    const scans = await openScans([...names, "absent.nii"].map(at), { slices: [0, 4], onBad: "skip" });
    expect(scans.slices.map(({ path, slice }) => `${path.split("/").at(-1)} ${slice}`)).toEqual([
      ...[0, 1, 2, 4].map((s) => `damaged-slice.h5 ${s}`),
      ...[0, 2, 3, 4].map((s) => `nan.h5 ${s}`),
    ]);
    expect(scans.skipped.map(({ path, slice }) => [path.split("/").at(-1), slice])).toEqual([
      ["damaged-slice.h5", 3],
      ["truncated.h5", undefined],
      ["no-rss.h5", undefined],
      ["nan.h5", 1],
      ["zeros.h5", undefined],
      ["other-size.h5", undefined],
      ["absent.nii", undefined],
    ]);
    for (const { path, reason } of scans.skipped) expect(reason).toContain(path);
    scans.close();
    await expect(openScans([at("zeros.h5")], { onBad: "skip" })).rejects.toThrow(
      /usable slices in 1 files, found none/,
    );
    await expect(openScans([at("coils.h5")], { dataset: "kspace", slices: [0, 4] })).rejects.toThrow(
      /2 coils/,
    );
  });
});

describe("damage anywhere", () => {
  /** Bytes replaced at random places of a good file. */
  const damage = fc.array(fc.tuple(fc.nat(20_000), fc.nat(255)), { minLength: 1, maxLength: 12 });

  test.each(["volume.h5", "volume.nii", "volume.nii.gz"])(
    "%s with bytes changed is read or refused with an error that is meant to be read",
    async (name) => {
      const whole = await readFile(at(name));
      await inTemporaryFolder(async (folder) => {
        let number = 0;
        await fc.assert(
          fc.asyncProperty(damage, async (changes) => {
            const bytes = Buffer.from(whole);
            for (const [position, value] of changes) bytes[position % bytes.length] = value;
            const path = join(folder, `${number++}-${name}`);
            await writeFile(path, bytes);
            try {
              (await openScans([path], { slices: [0, 4] })).close();
            } catch (error) {
              expect(isErrorOf(error, "DataError"), String(error)).toBe(true);
              expect((error as Error).message).not.toContain("\n");
            }
          }),
          { numRuns: 60, seed: 7 },
        );
      });
    },
  );
});
