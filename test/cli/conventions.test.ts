import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ObservationBatch,
  type Observations,
  openObservations,
} from "../../src/data/observations/observations.ts";
import { diem } from "./diem.ts";

// What test/fixtures/conventions.py writes: one set of observations as others would have it.
const FIXTURES = join(import.meta.dirname, "../fixtures/conventions");
const COUNT = 3;

let folder = "";
let imported = 0;

/** Imports files of the fixtures; @file stands for one. */
async function importing(options: string): Promise<{ out: string; code: number; err: string }> {
  const out = join(folder, `${imported++}`);
  const args = options.split(" ").map((word) => word.replace("@", `${FIXTURES}/`));
  const { code, err } = await diem("import", ...args, "--out", out);
  return { out, code, err };
}

async function read(options: string): Promise<Observations & { batch: ObservationBatch }> {
  const { out, code, err } = await importing(options);
  expect(err).toBe("");
  expect(code).toBe(0);
  const observations = await openObservations(out);
  return { ...observations, batch: await observations.read(0, COUNT) };
}

const MASKED = "--mask @mask.npy --noise-variance 0.25";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-conventions-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the same observations", () => {
  test.each([
    ...["f2", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"].map((type) => `y-${type}.npy`),
    ...["f2", "f8", "i2", "u8"].map((type) => `y-big-${type}.npy`),
    ...["y-fortran.npy", "y-python2.npy"],
    ...["archive.npz:y", "data.h5:/survey/y", "data.h5:survey/u8"],
    ...["two.zarr/blosc", "two.zarr/fortran", "two.zarr/half"],
    ...["three.zarr/zstd", "three.zarr/shards", "three.zarr/half"],
  ])("come of %s", async (file) => {
    const [expected, found] = [await read(`--y @y-f4.npy ${MASKED}`), await read(`--y @${file} ${MASKED}`)];
    expect(found.header).toEqual(expected.header);
    expect(found.batch).toEqual(expected.batch);
    expect(found.batch.y.data.some((value) => value > 5)).toBe(true);
  });

  test.each([
    "--y @y-f4.npy --mask @mask-f8.npy --noise-variance 0.25",
    "--y @y-f4.npy --mask @three.zarr/mask --noise-std 0.5",
    "--y @y-f4.npy --mask @data.h5:/survey/mask --noise-variance @data.h5:/quarter",
    "--y @y-f4.npy --mask @mask-hidden.npy --mask-means hidden --noise-variance 0.25",
    "--y @y-nan.npy --mask @mask.npy --inverse-variance @quarter-i8.npy",
    "--y @y-last.npy --channels last --mask @mask-last.npy --noise-variance 0.25",
    "--npz @archive.npz",
  ])("come of %s", async (options) => {
    const [expected, found] = [await read(`--y @y-f4.npy ${MASKED}`), await read(options)];
    expect(found.header).toEqual(expected.header);
    expect(found.batch).toEqual(expected.batch);
  });

  test.each([
    "--y @y-nan.npy --missing nan --noise-variance @variance.npy",
    "--y @y-f4.npy --inverse-variance @inverse.npy",
    "--y @y-f4.npy --noise-variance @variance-infinite.npy",
    "--y @y-f4.npy --mask @mask.npy --noise-variance @variance-infinite.npy",
    "--y @y-nan.npy --mask @mask.npy --missing nan --noise-std @deviation.npy",
    "--y @y-last.npy --channels last --mask @mask-flat.npy --noise-variance @variance-last.npy",
  ])("and variances, where something is seen, come of %s", async (options) => {
    const expected = await read("--y @y-f4.npy --mask @mask.npy --noise-variance @variance.npy");
    const found = await read(options);
    expect(found.header.latentShape).toEqual([2, 5, 6]);
    expect(found.batch.y).toEqual(expected.batch.y);
    const seen = Array.from(expected.batch.y.data, (value) => value !== 0); // a hidden entry is 0
    const shown = ({ batch }: typeof found) => batch.noiseVariance!.data.filter((_, k) => seen[k]);
    expect(shown(found)).toEqual(shown(expected));
  });

  test.each(["y-complex64.npy", "y-complex128.npy", "data.h5:/complex"])(
    "of k-space come of complex %s",
    async (file) => {
      const rest = `--operator fourier ${MASKED} --latent-shape 1,5,6`;
      const [expected, found] = [await read(`--y @y-f4.npy ${rest}`), await read(`--y @${file} ${rest}`)];
      expect(found.header.observationShape).toEqual([2, 5, 6]);
      expect(found.batch).toEqual(expected.batch);
    },
  );

  test("may be whole, if that is said", async () => {
    for (const missing of ["none", "nan"]) {
      const { header, batch } = await read(`--y @y-f4.npy --missing ${missing} --noise-variance 1`);
      expect(header.operator.name).toBe("mask");
      expect(header.latentShape).toEqual(header.observationShape);
      expect(new Set(batch.data.mask!.data)).toEqual(new Set([1]));
    }
    const { code, err } = await importing("--y @y-nan.npy --missing none --noise-variance 1");
    expect(code).toBe(2);
    expect(err).toContain("is NaN");
  });

  test("of another operator than a mask hide what is missing behind one of their own", async () => {
    const kernel = "--operator blur --data kernel=@variance.npy --noise-variance 1";
    expect((await importing(`--y @y-f4.npy ${kernel}`)).err).toContain("kernelShape");
    const pooled = '{"name":"average-pool","size":2}';
    const { header, batch } = await read(
      `--y @y-nan.npy --missing nan --operator ${pooled} --noise-variance 1`,
    );
    expect(header.operator).toEqual({
      name: "compose",
      parts: [JSON.parse(pooled), { name: "mask", maskShape: [2, 5, 6] }],
    });
    expect(header.latentShape).toEqual([2, 10, 12]);
    const masked = await read(`--y @y-f4.npy ${MASKED}`);
    expect(batch.y).toEqual(masked.batch.y);
  });
});

describe("what cannot be meant", () => {
  test.each([
    ["--y @y-nan.npy --noise-variance 1 --operator mask --mask @mask-hidden.npy", "with --missing nan"],
    ["--y @y-nan.npy --noise-variance 1", "--missing nan where NaN stands for what is missing"],
    ["--y @y-last.npy --mask @mask-last.npy --noise-variance 1", "Give --channels last"],
    ["--y @y-f4.npy --operator blur --noise-variance 1", "Give --data kernel=FILE"],
    ["--y @y-f4.npy --operator mask --noise-variance 1", "Give --mask FILE"],
    [
      "--y @y-f4.npy --operator fourier --mask @mask.npy --noise-variance 1",
      "1,5,6 for real images, or 2,5,6",
    ],
    [
      `--y @y-f4.npy --data maks=@mask.npy --operator mask --mask @mask.npy --noise-variance 1`,
      'mean "mask"?',
    ],
    ["--y @y-f4.npy --operator crop --latent-shape 2,9,9 --noise-variance 1", "size: expected 2 integers"],
    [`--y @y-f4.npy ${MASKED} --noise-std 1`, "expected one of --noise-variance, --noise-std"],
    [
      `--y @y-f4.npy ${MASKED} --range=-2,`,
      'must be two numbers, the smaller one first, got "-2,". Give --range LO,HI.',
    ],
    [`--y @y-f4.npy ${MASKED} --mask-means visible`, "--mask-means"],
    ["--y @y-complex64.npy --mask @y-complex64.npy --noise-variance 1", "numpy.stack([a.real, a.imag]"],
    [`--y @text.npy ${MASKED}`, "found <U1"],
    [`--y @large-i8.npy ${MASKED}`, "expected integers up to 2^53, found 9007199254740993"],
    [
      `--y @large-f8.npy ${MASKED}`,
      "expected numbers that single precision holds, 1e-38 to 3e38, found 1e+39",
    ],
    [`--y @small-f8.npy ${MASKED}`, "found 1e-45. Choose other units"],
    [`--y @archive.npz ${MASKED}`, "expected the name of an array in the file"],
    [`--y @archive.npz:x ${MASKED}`, "expected an array x, found y, mask"],
    [`--y @data.h5:/survey/x ${MASKED}`, "expected a dataset /survey/x, found mask, names, u8, y"],
    [`--y @data.h5:/survey/names ${MASKED}`, "expected numbers"],
    [`--y @data.h5:/half ${MASKED}`, "floating-point numbers of 16 bits. Convert it first"],
    [`--y @three.zarr ${MASKED}`, "Give the path of an array, such as store.zarr/y"],
    [`--y @three.zarr/missing ${MASKED}`, "expected a chunk of rows 2 to 2, found none"],
  ])("%s is refused in words", async (options, message) => {
    const { code, err } = await importing(options);
    expect(err).toContain(message);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(code).toBe(2);
  });
});
