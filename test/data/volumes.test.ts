import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openNifti } from "../../src/data/scans/nifti.ts";
import { openScans, type ScanOptions } from "../../src/data/scans/scans.ts";
import { expectAllClose } from "../matchers.ts";
import { readsWithin } from "./mutations.ts";
import { inTemporaryFolder } from "./temporary.ts";

const at = (name: string) => join(import.meta.dirname, "../fixtures/volumes", name);
/** What test/fixtures/volumes.py wrote: 144 values in even steps, in slices of 8 x 6. */
const CT = Array.from({ length: 144 }, (_, i) => Math.round(-1024 + (i * 2524) / 143));

/** All latents of files, volume after volume. */
async function latents(names: readonly string[], options: ScanOptions = {}): Promise<number[]> {
  const scans = await openScans(names.map(at), { slices: [0, 40], ...options });
  const all = scans.slices.flatMap((_, k) => [...scans.read(k).data]);
  scans.close();
  return all;
}
const scaled = (values: readonly number[], black: number, white: number) =>
  values.map((value) => (4 * (value - black)) / (white - black) - 2);

describe("values below zero", () => {
  test.each([
    ["ct.nii", {}],
    ["ct.nii.gz", {}],
    ["comment.nii.gz", {}],
    ["ct.h5", {}],
    ["ct.h5", { dataset: "kspace", real: true }],
  ] as const)("of %s %j: the smallest becomes -2 and the largest 2", async (name, options) => {
    expectAllClose(await latents([name], options), scaled(CT, -1024, 1500), { absolute: 2e-5 });
  });

  test("alone: they are an image too", async () => {
    const values = CT.map((value) => -Math.abs(value) - 1);
    expectAllClose(
      await latents(["negative.nii"]),
      scaled(values, Math.min(...values), Math.max(...values)),
      {
        absolute: 1e-6,
      },
    );
  });

  test("in one volume: the others are scaled in the same way", async () => {
    const values = CT.map((value) => Math.abs(value) + 100);
    const white = Math.max(...values);
    expectAllClose(await latents(["positive.nii"]), scaled(values, 0, white), { absolute: 1e-6 });
    const both = await latents(["positive.nii", "ct.nii"]);
    expectAllClose(both.slice(0, 144), scaled(values, Math.min(...values), white), { absolute: 1e-6 });
    expectAllClose(both.slice(144), scaled(CT, -1024, 1500), { absolute: 1e-6 });
    expect([Math.min(...both), Math.max(...both)]).toEqual([-2, 2]);
  });

  test("everywhere the same: what is found is said", async () => {
    await expect(latents(["constant.nii"])).rejects.toThrow(
      /constant.nii: expected an image in slices 0 to 40 of 3, found the value -1024 everywhere\. Choose other/,
    );
  });
});

describe("NIfTI and gzip", () => {
  test("files whose name says the other thing are named with the remedy", () => {
    expect(() => openNifti(at("plain.nii.gz"), 2)).toThrow(
      /plain.nii.gz: expected gzip, found other bytes\. If it is a plain NIfTI volume, rename it to end in .nii; else/,
    );
    expect(() => openNifti(at("packed.nii"), 2)).toThrow(
      /packed.nii: expected a plain NIfTI volume, found gzip\. Rename it to end in .nii.gz\.$/,
    );
  });

  // A pipe that is opened all the same waits for a writer for ever.
  test.each(["pipe.nii", "pipe.nii.gz"])("%s that is a pipe is refused before it is opened", (name) =>
    inTemporaryFolder(async (folder) => {
      execFileSync("mkfifo", [join(folder, name)]);
      expect(() => openNifti(join(folder, name), 2)).toThrow(
        `${name}: expected a NIfTI volume, found a pipe or a device. Give the path of a file.`,
      );
    }),
  );

  test("a stream of far more than the header declares is refused before it is unpacked", async () => {
    expect(readFileSync(at("bomb.nii.gz")).length).toBeLessThan(2 ** 17);
    await readsWithin(2 ** 25, () => openNifti(at("bomb.nii.gz"), 2));
    expect(() => openNifti(at("bomb.nii.gz"), 2)).toThrow(
      /bomb.nii.gz: expected 640 bytes, as the header declares, found far more in the gzip stream\. Fetch/,
    );
  });
});
