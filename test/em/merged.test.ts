import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { pickRows } from "../../src/core/rows.ts";
import { joinKinds } from "../../src/data/observations/merged-observations.ts";
import { kindsOf, type MergedObservations } from "../../src/data/observations/observation-set.ts";
import { checkRun } from "../../src/em/check.ts";
import { mergeConfig } from "../../src/em/config/config.ts";
import { predictRun } from "../../src/em/predict.ts";
import { train } from "../../src/em/train.ts";
import { drawAll } from "../../src/inference/draw-source.ts";
import { compilePosterior } from "../../src/inference/posterior.ts";
import { expectAllClose } from "../matchers.ts";
import { maskedObservations } from "./observations-in-memory.ts";
import { N, results, TINY, tinyObservations } from "./tiny-run.ts";

/** The tiny run's vectors through random projections, and half as many others behind masks. */
function mixed(): MergedObservations {
  const rng = new Rng(4);
  const values = (value: () => number) => float32(Float32Array.from({ length: 48 * N }, value), [48, N]);
  const mask = values(() => Number(rng.uniform() < 0.7));
  for (let i = 0; i < 48; i++) mask.data[i * N] = 1;
  const y = values(() => rng.normal());
  y.data.forEach((value, at) => {
    y.data[at] = value * mask.data[at]!;
  });
  return joinKinds([tinyObservations(), maskedObservations(y, mask, 0.01)], "mixed", async () =>
    "1".repeat(64),
  );
}

/** Another number of observations together adds up in another order, at each step of a draw. */
const ROUNDING = { relative: 1e-4 };
const CONFIG = mergeConfig(TINY, { em: { iterations: 2, validation: 0.2 } });

describe("a run over observations of two kinds", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-mixed-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("is scored, reported and judged, and reaches the same bytes after stops", async () => {
    const [alone, stopped] = [join(folder, "alone"), join(folder, "stopped")];
    const run = await train(mixed(), CONFIG, { out: alone });
    const figures = await run.readFigures(2);
    expect(figures.heldOut?.score).toBeGreaterThan(0);
    expect(figures.evidence?.mean).toBeLessThan(10);
    expect(figures.eStep.residual).toBeGreaterThan(0);
    expect(figures.eStep.spread).toBeGreaterThan(0);
    expect(run.info.observations).toMatchObject({ operator: "matrix and mask", count: 144 });
    const stop = new AbortController();
    const cut = train(mixed(), CONFIG, {
      out: stopped,
      checkpointSeconds: 0,
      signal: stop.signal,
      onEvent: ({ stage, iteration, done }) => {
        if (stage === "E-step" && iteration === 2 && done >= 20) stop.abort();
      },
    });
    await expect(cut).rejects.toThrow("stopped");
    await train(mixed(), CONFIG, { out: stopped, resume: true });
    expect(results(stopped)).toEqual(results(alone));
    const { verdicts } = await checkRun(run, mixed());
    expect(verdicts.map(({ name }) => name)).toContain("operator");
    for (const name of ["noise", "operator"])
      expect(verdicts.find((verdict) => verdict.name === name)?.because).toMatch(/^(mask|matrix): /);
    const { seconds } = await predictRun(mixed(), CONFIG, { budgetSeconds: 0 });
    expect(seconds).toBeGreaterThan(0);
  }, 300_000);

  test("does not estimate one noise for all of them", async () => {
    const config = mergeConfig(CONFIG, { em: { noise: "estimate" } });
    await expect(train(mixed(), config, { out: join(folder, "run") })).rejects.toThrow(
      'em.noise: expected "stated" for observations of several kinds',
    );
  });

  test("draws for each observation from its own stream: alone, in a batch or among other kinds", async () => {
    const run = await train(mixed(), mergeConfig(CONFIG, { em: { iterations: 1 } }), {
      out: join(folder, "run"),
    });
    const set = mixed();
    const stream = (index: number) => new Rng(9).split(index);
    for (const k of [0, 1]) {
      const model = await run.readModel(k);
      await using source = await compilePosterior(model, set, run.eStep);
      const all = await drawAll(source, [0, 40], { stream });
      const some = await drawAll(source, [17, 25], { stream });
      expectAllClose(some, pickRows(all, [17, 18, 19, 20, 21, 22, 23, 24]), ROUNDING);
      for (const { observations, numbers } of kindsOf(set)) {
        await using own = await compilePosterior(model, observations, run.eStep);
        const drawn = await drawAll(own, [0, 10], { stream: (index) => stream(numbers[index]!) });
        const same = numbers.subarray(0, 10);
        expectAllClose(drawn, pickRows(all, same), ROUNDING);
      }
    }
  }, 300_000);
});
