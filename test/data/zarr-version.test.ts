import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { memoryRows } from "../../src/data/arrays/array-rows.ts";
import { importObservations } from "../../src/data/observations/observation-arrays.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { diem } from "../cli/diem.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** What zarr-python 2 leaves of a group and an array. */
const GROUP = JSON.stringify({ zarr_format: 2 });
const ARRAY = JSON.stringify({ chunks: [2, 3], dtype: "<f4", shape: [2, 3], zarr_format: 2 });
const REMEDY = /Write it with zarr >= 3: zarr\.open_group\(path, mode="w", zarr_format=3\)\.$/;

test("a folder in Zarr v2 is named as such, with the remedy", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, "old");
    mkdirSync(join(path, "y"), { recursive: true });
    writeFileSync(join(path, ".zgroup"), GROUP);
    writeFileSync(join(path, "y/.zarray"), ARRAY);
    await expect(openObservations(path)).rejects.toThrow(
      /old: expected Zarr v3, found Zarr v2 \(\.zgroup\)\./,
    );
    await expect(openObservations(path)).rejects.toThrow(REMEDY);
    const { code, err } = await diem("info", path);
    expect([code, err]).toEqual([2, expect.stringMatching(/^Error: .*old: expected Zarr v3, found Zarr v2/)]);
    await expect(openObservations(join(path, "y"))).rejects.toThrow(/found Zarr v2 \(\.zarray\)/);
  });
});

test("so is an array in Zarr v2 within a group of v3", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, "mixed");
    const rows = memoryRows(float32([1, 1, 1, 1, 1, 1], [2, 3]));
    await importObservations(path, { y: rows, data: { mask: rows }, noiseVariance: 1 });
    rmSync(join(path, "y"), { recursive: true });
    mkdirSync(join(path, "y"));
    writeFileSync(join(path, "y/.zarray"), ARRAY);
    await expect(openObservations(path)).rejects.toThrow(
      /mixed\/y: expected Zarr v3, found Zarr v2 \(\.zarray\)/,
    );
    await expect(openObservations(path)).rejects.toThrow(REMEDY);
  });
});
