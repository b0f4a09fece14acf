import { statSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32, hostArray } from "../../src/core/array.ts";
import { memoryRows, npyRows } from "../../src/data/arrays/array-rows.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import {
  importObservations,
  inferHeader,
  observationsInMemory,
} from "../../src/data/observations/observation-arrays.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { inTemporaryFolder } from "./temporary.ts";

const COUNT = 300; // more than one chunk of 256
const y = float32(
  Float32Array.from({ length: COUNT * 2 }, (_, i) => i / 100),
  [COUNT, 2],
);
const matrix = hostArray(
  "float64",
  [COUNT, 2, 3],
  Float64Array.from({ length: COUNT * 6 }, (_, i) => Math.sin(i)),
);

describe("headers that arrays call for", () => {
  const header = (parts: object) => inferHeader(parts as Parameters<typeof inferHeader>[0], "here");
  const shaped = (...shape: number[]) => ({ shape });

  test("a matrix gives the latents' size, a mask their shape and its own", () => {
    expect(header({ y: shaped(9, 2), data: { matrix: shaped(9, 2, 5) }, noiseVariance: 1 })).toMatchObject({
      operator: { name: "matrix" },
      latentShape: [5],
      observationShape: [2],
      noiseVariance: 1,
    });
    expect(
      header({
        y: shaped(9, 3, 4, 4),
        data: { mask: shaped(9, 1, 4, 4) },
        noiseVariance: shaped(9, 3, 4, 4),
      }),
    ).toMatchObject({
      operator: { name: "mask", maskShape: [1, 4, 4] },
      latentShape: [3, 4, 4],
      noiseVariance: "array",
    });
  });

  test("an operator by name takes its sizes from its arrays", () => {
    const latentShape = [1, 8, 8];
    const kernel = {
      y: shaped(9, 1, 8, 8),
      data: { kernel: shaped(9, 3, 5) },
      noiseVariance: 1,
      latentShape,
    };
    expect(header({ ...kernel, operator: { name: "blur" } }).operator).toEqual({
      name: "blur",
      kernelShape: [3, 5],
    });
  });

  test.each([
    [{ y: shaped(9), data: {} }, "expected y [n, ...shape], found [9]"],
    [{ y: shaped(9, 2), data: {} }, "found arrays none but y"],
    [{ y: shaped(9, 2), data: { kernel: shaped(9, 2, 2) } }, "found arrays kernel. Give --mask"],
    [
      { y: shaped(9, 2), data: {}, operator: { name: "crop" } },
      "expected the shape of the latents, found none",
    ],
  ])("%j is refused in words", (parts, message) => {
    expect(() => header({ noiseVariance: 1, ...parts })).toThrow(message);
  });
});

describe("observations from arrays", () => {
  test("in memory and written to a folder from .npy files, are the same", () =>
    inTemporaryFolder(async (folder) => {
      const memory = observationsInMemory({ y, data: { matrix }, noiseVariance: 1e-4 });
      writeFileSync(join(folder, "A.npy"), encodeNpy(matrix));
      const rows = npyRows(join(folder, "A.npy"));
      const path = join(folder, "obs");
      expect(
        await importObservations(path, { y: memoryRows(y), data: { matrix: rows }, noiseVariance: 1e-4 }),
      ).toBe(COUNT);
      rows.close();
      const disk = await openObservations(path);
      expect(disk.header).toEqual(memory.header);
      expect(await disk.read(200, COUNT)).toEqual(await memory.read(200, COUNT));
    }));

  const one = hostArray("float64", [1, 2, 3], matrix.data.slice(0, 6));
  const pattern = hostArray("uint8", [1, 2], Uint8Array.of(0, 1));
  test.each([
    ["matrix", one, 6 * 4],
    ["mask", pattern, 1],
  ])("a %s of one row serves all observations, and is kept once", (name, shared, bytes) =>
    inTemporaryFolder(async (folder) => {
      const [width, ...rest] = [shared.data.length, ...shared.shape.slice(1)];
      const all = Float32Array.from({ length: COUNT * width }, (_, i) => shared.data[i % width]!);
      const expected = observationsInMemory({
        y,
        data: { [name]: float32(all, [COUNT, ...rest]) },
        noiseVariance: 1e-4,
      });
      const parts = { y, data: { [name]: shared }, noiseVariance: 1e-4 };
      const path = join(folder, "obs");
      const rows = { ...parts, y: memoryRows(y), data: { [name]: memoryRows(shared) } };
      await importObservations(path, rows);
      for (const found of [observationsInMemory(parts), await openObservations(path)]) {
        expect(found.header).toEqual(expected.header);
        expect(await found.read(200, COUNT)).toEqual(await expected.read(200, COUNT));
      }
      const stored = await readdir(join(path, name), { recursive: true, withFileTypes: true });
      const sizes = stored.filter((entry) => entry.isFile() && entry.name !== "zarr.json");
      expect(sizes.map((entry) => statSync(join(entry.parentPath, entry.name)).size)).toEqual([bytes]);
    }),
  );

  test("in memory, entries that a mask hides count as 0 and the caller's array stays as it was", async () => {
    const seen = float32([1, 0, 0, 1], [2, 2]);
    const values = float32([1, Number.NaN, 3, 4], [2, 2]);
    const observations = observationsInMemory({ y: values, data: { mask: seen }, noiseVariance: 0.1 });
    expect(Array.from((await observations.read(0, 2)).y.data)).toEqual([1, 0, 0, 4]);
    expect(Array.from(values.data)).toEqual([1, Number.NaN, 3, 4]);
  });

  test("have a checksum that every array enters", async () => {
    const parts = { y, data: { matrix }, noiseVariance: 1e-4 };
    const other = { ...matrix, data: matrix.data.slice() };
    other.data[17]! += 1;
    const sums = await Promise.all(
      [parts, { ...parts, data: { matrix: other } }, { ...parts, noiseVariance: 2e-4 }].map((p) =>
        observationsInMemory(p).checksum(),
      ),
    );
    expect(new Set(sums).size).toBe(3);
    expect(await observationsInMemory(parts).checksum()).toBe(sums[0]);
  });

  test("name what is wrong: a missing row, a NaN, a variance of zero", async () => {
    const short = float32([1, 2, 3, 4, 5, 6], [2, 1, 3]);
    expect(() => observationsInMemory({ y, data: { matrix: short }, noiseVariance: 1 })).toThrow(
      "expected matrix for each of the 300 observations",
    );
    expect(() => observationsInMemory({ y, data: { matrix }, noiseVariance: 0 })).toThrow("noiseVariance");
    const bad = { ...y, data: y.data.slice() };
    bad.data[13] = Number.NaN;
    await expect(
      observationsInMemory({ y: bad, data: { matrix }, noiseVariance: 1 }).read(0, 10),
    ).rejects.toThrow("observation 6, entry 1");
  });
});
