import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MRI_RECIPES } from "../../experiments/mri/recipes.ts";
import { predictMri, runMri } from "../../experiments/mri/run.ts";
import { splitSlices } from "../../experiments/mri/split.ts";
import { describePrediction } from "../../src/cli/prediction.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { inTemporaryFolder } from "../data/temporary.ts";

const FIXTURES = join(import.meta.dirname ?? ".", "../fixtures/scans");

describe("the experiment on accelerated MRI", () => {
  test("holds out two slabs of few volumes, with gaps on both sides, and whole volumes of many", () => {
    const slices = (volumes: number, count: number) =>
      Array.from({ length: volumes * count }, (_, k) => ({
        path: "",
        volume: Math.floor(k / count),
        slice: 10 + (k % count),
      }));
    const few = splitSlices(slices(2, 18), { validation: 0.05, test: 0.1, gap: 2 });
    expect(few.test).toEqual([5, 6, 23, 24]);
    expect(few.validation).toEqual([11, 29]);
    expect(few.train).toEqual([0, 1, 2, 14, 15, 16, 17, 18, 19, 20, 32, 33, 34, 35]);
    const many = splitSlices(slices(20, 3), { validation: 0.05, test: 0.1, gap: 2 });
    expect(many.test).toEqual([54, 55, 56, 57, 58, 59]);
    expect(many.validation).toEqual([51, 52, 53]);
    expect(many.train.length).toBe(51);
    expect(() => splitSlices(slices(1, 3), { validation: 0.1, test: 0.1, gap: 2 })).toThrow(
      /found none among 3/,
    );
  });

  test.each(Object.entries(MRI_RECIPES))("has a recipe %s of valid settings", (_, recipe) => {
    const { size = [320, 320] } = recipe as { size?: readonly [number, number] };
    expect(() => mergeConfig(defaultConfig([1, ...size], 100), recipe.config(100))).not.toThrow();
  });

  test("runs from files to results and report", async () => {
    await inTemporaryFolder(async (folder) => {
      const files = ["smooth.h5", "truncated.h5"].map((name) => join(FIXTURES, name));
      const lines: string[] = [];
      const options = { recipe: MRI_RECIPES.tiny, files, out: folder, seed: 0, engine: { threads: 1 } };
      const { results, page } = await runMri({ ...options, log: (line) => lines.push(line) });
      expect(results.slices).toEqual({ train: 4, validation: 1, test: 1, skipped: 1 });
      expect(results.configuration.train.seed).toBe(0);
      expect(results.configuration.recipe).toHaveProperty("acceleration", 6);
      expect(Object.keys(results.reconstruction)).toEqual(["2", "4", "crop"]);
      for (const R of ["2", "4", "crop"]) {
        const figures = results.reconstruction[R]!;
        for (const quality of [figures.posteriorMean, figures.zeroFilled, figures.baseline]) {
          expect(quality!.psnr).toBeGreaterThan(5);
          expect(quality!.ssim).toBeLessThanOrEqual(1);
        }
        expect(figures.chiSquare).toBeGreaterThan(0);
        expect(figures.coverage90).toBeGreaterThanOrEqual(0);
      }
      for (const word of ["Acceleration\u00a04", "zero-filled", "standard deviation", "truth", "mask"])
        expect(page).toContain(word);
      expect(lines.join("\n")).toContain("truncated.h5");
      // A second run finds the prior learned, and evaluates it in other ways; with other settings it does not begin.
      const { tiny } = MRI_RECIPES;
      const again = (await runMri({ ...options, tasks: [4] })).results;
      expect(Object.keys(again.reconstruction)).toEqual(["4"]);
      expect(again.reconstruction["4"]).toEqual(results.reconstruction["4"]);
      const validated = (await runMri({ ...options, tasks: [4], on: "validation" })).results;
      expect(validated.evaluatedOn).toBe("validation");
      expect(validated.reconstruction["4"]).not.toEqual(results.reconstruction["4"]);
      await expect(runMri({ ...options, seed: 1 })).rejects.toThrow(/expected the seed that the run there/);
      await expect(runMri({ ...options, recipe: { ...tiny, acceleration: 3 } })).rejects.toThrow(
        /the recipe/,
      );
      await expect(runMri({ ...options, files: files.slice(0, 1) })).rejects.toThrow(/the files/);
    });
  });

  test("predicts how long learning takes, of what the budget allows in proportion", async () => {
    await inTemporaryFolder(async (folder) => {
      const { tiny } = MRI_RECIPES;
      const options = {
        recipe: tiny,
        files: [join(FIXTURES, "smooth.h5")],
        out: folder,
        seed: 0,
        changes: { em: { iterations: 2 }, mStep: { microBatch: 2 } },
        engine: { threads: 1 },
      };
      const whole = await predictMri(options);
      expect([whole.start.images, whole.eStep.images, whole.mStep.images]).toEqual([4, 4, 4]);
      expect(whole.eStep.timed).toBe("5 of 5 sampler steps");
      expect(whole.mStep.timed).toBe("1 of 6 optimizer steps");
      // Without a budget each part is timed for as little as it can do at once.
      const { start, eStep, mStep, seconds, peakBytes } = await predictMri(options, { budgetSeconds: 0 });
      expect([start.images, eStep.images, mStep.images]).toEqual([4, 4, 2]);
      expect(eStep.timed).toBe("1 of 5 sampler steps");
      expect(start.seconds).toBeGreaterThan(0);
      // The first iteration draws from the Gaussian in closed form, the second one draws for 4 observations.
      expect(eStep.seconds).toBeCloseTo(eStep.unitSeconds * 4, 9);
      // The exact draw that each begins at is beside the five sampler steps.
      expect(eStep.seconds).toBeGreaterThan(eStep.timedSeconds * 5);
      expect(mStep.seconds).toBeCloseTo(mStep.timedSeconds * 2 * 6, 9);
      expect(seconds).toBe(start.seconds + eStep.seconds + mStep.seconds);
      expect(peakBytes).toBeGreaterThan(2 ** 20);
      expect(describePrediction({ parameters: 1, start, eStep, mStep, seconds, peakBytes })).toContain(
        "for part of an optimizer step with 2 samples (of 4; taken in proportion)",
      );
    });
  });
});
