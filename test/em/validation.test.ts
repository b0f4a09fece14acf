import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Observations } from "../../src/data/observations/observations.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { heldOutCount } from "../../src/em/course.ts";
import { resultOf } from "../../src/em/held-out/figures.ts";
import { outcomeOf } from "../../src/em/held-out/outcome.ts";
import { drawsEach, scoredCount } from "../../src/em/held-out/score.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { matrixObservations, observe } from "./observations-in-memory.ts";
import { N, results, TINY } from "./tiny-run.ts";

const COUNT = 200;
/** 32 of 200 are held out by default. */
const CONFIG = mergeConfig(TINY, { em: { validation: defaultConfig([N], COUNT).em.validation } });

function vectors(): Observations {
  const rng = new Rng(2);
  const normals = (size: number) => Float32Array.from({ length: size }, () => rng.normal());
  const x = float32(normals(COUNT * N), [COUNT, N]);
  const matrices = float32(normals(COUNT * 2 * N), [COUNT, 2, N]);
  return matrixObservations(
    observe(x, matrices, () => 0.1 * rng.normal()),
    matrices,
    0.01,
  );
}

/** The same, but for what was measured in those held out. */
function withOtherHeldOut(observations: Observations): Observations {
  const isHeldOut = (j: number) => Math.floor(((j + 1) * 32) / COUNT) > Math.floor((j * 32) / COUNT);
  return {
    ...observations,
    read: async (start, end) => {
      const batch = await observations.read(start, end);
      const y = batch.y.data.map((value, at) => (isHeldOut(start + Math.floor(at / 2)) ? value + 7 : value));
      return { ...batch, y: float32(y, batch.y.shape) };
    },
  };
}

describe("held-out observations", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-held-out-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test("are 5 %, at least 32, none of fewer than 128; at most 256 are scored", () => {
    const counts = [10, 127, 128, 640, 1000, 100_000].map((count) =>
      heldOutCount(defaultConfig([4], count), count),
    );
    expect(counts).toEqual([0, 0, 32, 32, 50, 5000]);
    expect(scoredCount(defaultConfig([4], 100_000), 95_000, 5000)).toBe(256);
    expect([32, 150, 256].map((count) => drawsEach(defaultConfig([4], 1000), count))).toEqual([16, 6, 4]);
    // For images an eighth of those drawn for in an iteration.
    const images = mergeConfig(defaultConfig([1, 28, 28], 1000), { em: { observations: 240 } });
    expect(scoredCount(images, 950, 50)).toBe(30);
    expect(scoredCount(mergeConfig(images, { em: { observations: 40 } }), 950, 50)).toBe(16);
    // All but one at most can be held out.
    expect(heldOutCount(mergeConfig(CONFIG, { em: { validation: 0.99 } }), 10)).toBe(9);
  });

  test("leave no trace in the start, the draws and the weights", async () => {
    const [one, other] = [join(folder, "one"), join(folder, "other")];
    await train(vectors(), CONFIG, { out: one });
    await train(withOtherHeldOut(vectors()), CONFIG, { out: other });
    const [first, second] = [results(one), results(other)];
    const trained = (name: string) => /(gaussian|weights)\.safetensors|\/draws\.npy/.test(name);
    expect(Object.keys(first).filter(trained)).toHaveLength(7);
    for (const name of Object.keys(first).filter(trained)) expect(second[name], name).toBe(first[name]);
    expect(second["start/held-out.safetensors"]).not.toBe(first["start/held-out.safetensors"]);
  });

  test("are scored after the start and every iteration; the best is the run's result", async () => {
    const run = await train(vectors(), CONFIG, { out: join(folder, "run") });
    const figures = await Promise.all([0, 1, 2, 3].map(async (k) => (await run.readFigures(k)).heldOut!));
    for (const [k, { score, error, change, changeError }] of figures.entries()) {
      expect(score).toBeGreaterThan(0.2);
      expect(score).toBeLessThan(1);
      expect(error).toBeLessThan(0.15);
      if (k === 0) expect(change).toBeUndefined();
      else {
        expect(change).toBeCloseTo(score - figures[0]!.score, 12);
        expect(changeError).toBeGreaterThan(0);
        // Paired: the same numbers hidden, the same noise.
        expect(changeError).toBeLessThan(1.4 * error);
      }
    }
    expect(figures[0]!.result).toBe(0);
    expect(await run.bestIteration()).toBe(figures[3]!.result);
  });

  test("a resumed run scores to the same bytes, and again what was lost", async () => {
    const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
    await train(vectors(), CONFIG, { out: whole });
    const controller = new AbortController();
    const interrupted = train(vectors(), CONFIG, {
      out: stopped,
      signal: controller.signal,
      onEvent: ({ stage, iteration }) => {
        if (iteration === 2 && stage.startsWith("Held-out draws 2 ")) controller.abort();
      },
    });
    await expect(interrupted).rejects.toThrow("stopped");
    rmSync(join(stopped, "start", "held-out.safetensors"));
    await train(vectors(), CONFIG, { out: stopped, resume: true });
    expect(results(stopped)).toEqual(results(whole));
  });

  test("a run that ends worse than its start by more than chance is told", async () => {
    const run = await train(vectors(), CONFIG, { out: join(folder, "run") });
    const write = async (k: number, heldOut: object | undefined) =>
      await run.writeFigures({ ...(await run.readFigures(k)), heldOut } as never);
    const end = (change: number | null, changeError: number | null) =>
      write(3, { score: change && 0.5 + change, error: 0.1, change, changeError, result: 1 });
    await write(0, { score: 0.5, error: 0.1, result: 0 });
    await write(1, { score: 0.4, error: 0.1, change: -0.1, changeError: 0.02, result: 1 });
    await end(0.05, 0.026);
    expect(await outcomeOf(run)).toMatchObject({ last: 3, best: 1, endsWorse: false });
    await end(0.05, 0.024);
    expect(await outcomeOf(run)).toMatchObject({ last: 3, best: 1, endsWorse: true });
    // What is not finite is null in JSON, and the worst of all.
    await end(null, null);
    expect(await outcomeOf(await RunFolder.open(run.path))).toMatchObject({ best: 1, endsWorse: true });
  });

  test("the result is the latest iteration that is not worse than the best by more than chance", () => {
    const scores = (mean: number, swing: number) =>
      Float64Array.from({ length: 100 }, (_, i) => mean + swing * (i % 2 ? 1 : -1));
    const [start, best] = [scores(0.5, 0.2), scores(0.4, 0.2)];
    expect(resultOf([start])).toBe(0);
    expect(resultOf([start, best])).toBe(1);
    // A swing of .1 against that of the best leaves an error of .01 to the difference.
    expect(resultOf([start, best, scores(0.405, 0.3)])).toBe(2);
    expect(resultOf([start, best, scores(0.415, 0.3)])).toBe(1);
    expect(resultOf([start, best, scores(0.405, 0.3), scores(0.5, 0.2)])).toBe(2);
    expect(resultOf([start, scores(Number.NaN, 0), scores(Number.POSITIVE_INFINITY, 0)])).toBe(0);
    expect(resultOf([scores(Number.NaN, 0)])).toBe(0);
  });

  test("without them the last iteration is the result", async () => {
    const config = mergeConfig(CONFIG, { em: { validation: 0 } });
    const run = await train(vectors(), config, { out: join(folder, "run") });
    expect(readFileSync(run.file(3, "figures.json"), "utf8")).not.toContain("heldOut");
    expect(await outcomeOf(run)).toEqual({ last: 3, best: 3, endsWorse: false });
  });
});
