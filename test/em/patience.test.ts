import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mergeConfig } from "../../src/em/config/config.ts";
import { isSpoilt, isStale } from "../../src/em/held-out/figures.ts";
import { train } from "../../src/em/train.ts";
import { results, TINY, tinyObservations } from "./tiny-run.ts";

/** Steps that learn nothing, so that no iteration after the first can be better. */
const IDLE = mergeConfig(TINY, {
  em: { iterations: 8, validation: 0.3, patience: 2 },
  mStep: { learningRate: [1e-12, 1e-12, 1e-12] },
});

describe("patience", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-patience-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const out = (name: string) => join(folder, name);

  test("ends a run that brings nothing with one more iteration, whose M-step is the last one's", async () => {
    const run = await train(tinyObservations(), IDLE, { out: out("run") });
    expect(await run.lastIteration()).toBe(3);
    const steps = await Promise.all([1, 2, 3].map(async (k) => (await run.readFigures(k)).mStep.steps));
    expect(steps).toEqual([IDLE.mStep.steps, IDLE.mStep.steps, IDLE.mStep.finalSteps]);
    expect(run.info.earlier).toEqual([{ until: 2, iterations: 8 }]);
    // The evidence of what has learned nothing is that of the start.
    const { evidence } = await run.readFigures(3);
    expect(Math.abs(evidence!.change!)).toBeLessThan(1e-3);
  });

  test("is a third of the iterations and at least five, unless a better one took longer", async () => {
    const run = await train(tinyObservations(), mergeConfig(IDLE, { em: { patience: null } }), {
      out: out("run"),
    });
    expect(await run.lastIteration()).toBe(6);
  });

  test("a resumed run ends at the same iteration with the same bytes, and goes on only if more is asked for", async () => {
    await train(tinyObservations(), IDLE, { out: out("one") });
    cpSync(out("one"), out("other"), { recursive: true });
    rmSync(out("other/iterations/0003"), { recursive: true });
    rmSync(out("other/iterations/0002/figures.json"));
    rmSync(out("other/iterations/0002/evidence.safetensors"));
    const again = await train(tinyObservations(), IDLE, { out: out("other"), resume: true });
    expect(await again.lastIteration()).toBe(3);
    expect(results(out("other"))).toEqual(results(out("one")));
    const more = mergeConfig(IDLE, { em: { iterations: 9 } });
    const longer = await train(tinyObservations(), more, { out: out("other"), resume: true });
    expect(await longer.lastIteration()).toBe(4);
  });

  test("needs held-out observations", async () => {
    const none = mergeConfig(IDLE, { em: { validation: 0 } });
    await expect(train(tinyObservations(), none, { out: out("run") })).rejects.toThrow(
      "em.patience: expected held-out observations, which tell when to stop, found none. Give em.validation above 0, or no patience.",
    );
  });

  test("counts only what is better by more than its error", () => {
    const scores = (...means: number[]) => means.map((mean) => Float64Array.of(mean - 0.1, mean, mean + 0.1));
    const noisy = Float64Array.of(0.2, 0.9, 0.1);
    expect(isStale(scores(0.5, 0.4), 2)).toBe(false);
    expect(isStale(scores(0.5, 0.4, 0.4), 2)).toBe(false);
    expect(isStale(scores(0.5, 0.4, 0.4, 0.4), 2)).toBe(true);
    expect(isStale(scores(0.5, 0.4, 0.4, 0.3), 2)).toBe(false);
    expect(isStale([...scores(0.5), noisy, ...scores(0.6)], 2)).toBe(true);
    expect(isStale([...scores(0.5, 0.6), noisy], 2)).toBe(false); // the best so far, at last
    expect(isStale([...scores(Number.NaN), ...scores(0.5)], 1)).toBe(false);
  });

  test("is not needed where three iterations in a row are certainly worse than the best before", () => {
    const scores = (...means: number[]) => means.map((mean) => Float64Array.of(mean - 0.1, mean, mean + 0.1));
    const noisy = Float64Array.of(0.2, 0.9, 0.3);
    expect(isSpoilt(scores(0.4, 0.5, 0.5))).toBe(false);
    expect(isSpoilt(scores(0.4, 0.5, 0.5, 0.5))).toBe(true);
    expect(isSpoilt(scores(0.4, 0.5, 0.3, 0.5))).toBe(false);
    expect(isSpoilt([...scores(0.4, 0.5, 0.5), noisy])).toBe(false);
  });
});
