import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { memoryRows } from "../../src/data/arrays/array-rows.ts";
import { mergeObservations, openObservationSet } from "../../src/data/observations/merged-observations.ts";
import { importObservations } from "../../src/data/observations/observation-arrays.ts";
import {
  kindsIn,
  kindsOf,
  type MergedObservations,
  mostTogether,
  takingTurns,
} from "../../src/data/observations/observation-set.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import {
  joinObservations,
  someObservations,
  splitObservations,
} from "../../src/data/observations/split-observations.ts";
import { inTemporaryFolder } from "./temporary.ts";

const ramp = (n: number, ...shape: number[]) => {
  const size = shape.reduce((a, b) => a * b, n);
  return float32(
    Float32Array.from({ length: size }, (_, i) => i + 1),
    [n, ...shape],
  );
};

/** Folders of 6 masked vectors, 3 projected ones with patterns in their noise, and 2 of other latents. */
async function write(folder: string) {
  const rows = (array: ReturnType<typeof ramp>, name: string) => memoryRows(array, name);
  const mask = float32(
    Float32Array.from({ length: 18 }, (_, i) => Number(i % 3 !== 1)),
    [6, 3],
  );
  const [masked, projected, other] = ["masked", "projected", "other"].map((name) => join(folder, name));
  await importObservations(masked!, {
    y: rows(ramp(6, 3), "y"),
    data: { mask: rows(mask, "mask") },
    noiseVariance: rows(ramp(6, 3), "noise_variance"),
    range: [0, 2],
  });
  await importObservations(projected!, {
    y: rows(ramp(3, 2), "y"),
    data: { matrix: rows(ramp(1, 2, 3), "matrix") },
    noiseVariance: 0.5,
    noiseFactor: rows(ramp(2, 1), "noise_factor"),
    range: [-1, 1],
    units: "mJy",
  });
  await importObservations(other!, {
    y: rows(ramp(2, 4), "y"),
    data: { mask: rows(float32(new Float32Array(8).fill(1), [2, 4]), "mask") },
    noiseVariance: 1,
  });
  return { masked: masked!, projected: projected!, other: other! };
}

/** The first number of y of each observation of a set, by its number. */
async function firstNumbers(set: Awaited<ReturnType<typeof openObservationSet>>): Promise<number[]> {
  const found: number[] = [];
  for (const { observations, range, numbers } of kindsOf(set)) {
    const { y } = await observations.read(...range);
    for (const [i, number] of numbers.entries()) found[number] = y.data[i * y.shape[1]!]!;
  }
  return found;
}

describe("a merged set", () => {
  test("gives back the observations of its folders, which take turns, and needs these no longer", async () => {
    await inTemporaryFolder(async (folder) => {
      const { masked, projected } = await write(folder);
      const before = [await openObservations(masked), await openObservations(projected)];
      const batches = [await before[0]!.read(0, 6), await before[1]!.read(0, 3)];
      const out = join(folder, "both");
      expect(await mergeObservations([masked, projected], out)).toBe(9);
      for (const path of [masked, projected]) rmSync(path, { recursive: true });
      const set = (await openObservationSet(out)) as MergedObservations;
      expect(set.count).toBe(9);
      expect(set.header).toEqual({ latentShape: [3], units: "mJy", range: [-1, 2] });
      expect(set.parts.map(({ numbers }) => [...numbers])).toEqual([
        [0, 2, 3, 5, 6, 8],
        [1, 4, 7],
      ]);
      for (const [k, { observations }] of set.parts.entries()) {
        expect(observations.header).toEqual(before[k]!.header);
        expect(observations.noiseFactor).toEqual(before[k]!.noiseFactor);
        expect(await observations.read(0, observations.count)).toEqual(batches[k]);
      }
      expect(existsSync(join(out, "part-0/zarr.json"))).toBe(true);
      expect(readdirSync(folder)).toEqual(["both", "other"]);
    });
  });

  test("may itself be merged, and has a checksum of all that is in it", async () => {
    await inTemporaryFolder(async (folder) => {
      const { masked, projected } = await write(folder);
      const [one, two] = [join(folder, "one"), join(folder, "two")];
      await mergeObservations([masked, projected], one);
      await mergeObservations([one, masked], two);
      const names = (set: Awaited<ReturnType<typeof openObservationSet>>) =>
        kindsOf(set).map(({ observations }) => observations.header.operator.name);
      expect(names(await openObservationSet(two))).toEqual(["mask", "matrix", "mask"]);
      const checksum = async () => await (await openObservationSet(one)).checksum();
      const before = await checksum();
      expect(await checksum()).toBe(before);
      const chunk = join(one, "part-1/y/c/0/0");
      const bytes = readFileSync(chunk);
      bytes[1] = bytes[1]! ^ 1;
      writeFileSync(chunk, bytes);
      expect(await checksum()).not.toBe(before);
    });
  });

  test("is refused in one line where it cannot be, and nothing is left then", async () => {
    await inTemporaryFolder(async (folder) => {
      const { masked, projected, other } = await write(folder);
      const out = join(folder, "out");
      const refusal = (paths: string[]) => expect(mergeObservations(paths, out)).rejects;
      await refusal([masked, other]).toThrow(/other: expected latents \[3\] as in .*masked, found \[4\]\./);
      await refusal([masked]).toThrow("expected at least two folders, got 1.");
      await refusal([masked, join(folder, "none")]).toThrow("none: expected a folder of observations");
      const stopped = { signal: AbortSignal.abort() };
      await expect(mergeObservations([masked, projected], out, stopped)).rejects.toThrow("stopped");
      mkdirSync(out);
      await refusal([masked, projected]).toThrow("expected no such folder, found one.");
      expect(readdirSync(out)).toEqual([]);
      expect(readdirSync(folder)).toEqual(["masked", "other", "out", "projected"]);
      const both = join(folder, "both");
      await mergeObservations([masked, projected], both);
      await expect(openObservations(both)).rejects.toThrow("expected observations of one kind");
      const text = readFileSync(join(both, "zarr.json"), "utf8");
      for (const parts of [
        [],
        ["part-0", "part-0"],
        ["../masked", "part-1"],
        [".part", "part-0"],
        "part-0",
      ]) {
        writeFileSync(
          join(both, "zarr.json"),
          text.replace(/"parts": \[[^\]]*\]/, `"parts": ${JSON.stringify(parts)}`),
        );
        await expect(openObservationSet(both)).rejects.toThrow(
          "parts: expected names of groups in the folder",
        );
      }
      writeFileSync(join(both, "zarr.json"), text.replace('"version": 1', '"version": 2'));
      await expect(openObservationSet(both)).rejects.toThrow("version: expected 1, found 2.");
    });
  });
});

describe("kinds that take turns", () => {
  test("have their share of any observations that follow each other, to one", () => {
    for (const counts of [[5, 5], [100, 7], [1, 30, 4], [9]]) {
      const total = counts.reduce((a, b) => a + b, 0);
      const numbers = takingTurns(counts);
      expect([...numbers.flatMap((own) => [...own])].sort((a, b) => a - b)).toEqual([...Array(total).keys()]);
      for (const [k, own] of numbers.entries())
        for (let together = 1; together <= total; together++)
          expect(mostTogether(own, together)).toBeLessThanOrEqual(
            Math.floor((together * counts[k]!) / total) + 2,
          );
    }
  });

  test("are split, thinned and joined kind by kind", async () => {
    await inTemporaryFolder(async (folder) => {
      const { masked, projected } = await write(folder);
      const out = join(folder, "both");
      await mergeObservations([masked, projected], out);
      const set = await openObservationSet(out);
      const all = await firstNumbers(set);
      const { training, heldOut } = splitObservations(set, 3);
      const shares = (of: typeof set) => kindsOf(of).map(({ numbers }) => numbers.length);
      expect([shares(training), shares(heldOut!)]).toEqual([
        [4, 2],
        [2, 1],
      ]);
      const [kept, aside] = [await firstNumbers(training), await firstNumbers(heldOut!)];
      expect([...kept, ...aside].sort()).toEqual([...all].sort());
      expect(await firstNumbers(joinObservations(training, heldOut!))).toEqual([...kept, ...aside]);
      expect(shares(someObservations(set, 6))).toEqual([4, 2]);
      // A range of the set is one of each kind.
      for (const { range, numbers } of kindsIn(set, [2, 7])) {
        expect(range[1] - range[0]).toBe(numbers.length);
        expect(numbers.every((number) => number >= 2 && number < 7)).toBe(true);
      }
    });
  });
});
