import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mergeConfig } from "../../src/em/config/config.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { configAt } from "../../src/em/run/run-info.ts";
import { train } from "../../src/em/train.ts";
import { results, TINY, tinyObservations } from "./tiny-run.ts";

const MORE = mergeConfig(TINY, { em: { iterations: 5 } });

describe("a resumed run that is asked for more iterations", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-raise-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const out = (name: string) => join(folder, name);
  const resume = (name: string, config = MORE) =>
    train(tinyObservations(), config, { out: out(name), resume: true });

  test("goes on after its end; what was there stays", async () => {
    await train(tinyObservations(), TINY, { out: out("run") });
    const before = results(out("run"));
    const run = await resume("run");
    expect(await run.lastIteration()).toBe(5);
    expect(run.info.config.em.iterations).toBe(5);
    const after = results(out("run"));
    const kept = Object.keys(before).filter((name) => !name.startsWith("gallery"));
    for (const name of kept) expect(after[name], name).toBe(before[name]);
    // The third keeps the longer M-step of a last iteration, the fourth has an ordinary one.
    const steps = await Promise.all([2, 3, 4, 5].map(async (k) => (await run.readFigures(k)).mStep.steps));
    const { steps: each, finalSteps } = TINY.mStep;
    expect(steps).toEqual([each, finalSteps, each, finalSteps]);
    // And fewer are no longer possible, nor is another request needed.
    expect(await (await resume("run", TINY)).lastIteration()).toBe(5);
  });

  test("reaches the same bytes after a stop, and computes again what was lost before the raise", async () => {
    await train(tinyObservations(), TINY, { out: out("one") });
    cpSync(out("one"), out("other"), { recursive: true });
    await resume("one");
    const controller = new AbortController();
    const stopped = train(tinyObservations(), MORE, {
      out: out("other"),
      resume: true,
      signal: controller.signal,
      onEvent: ({ stage, iteration, done }) => {
        if (stage === "M-step" && iteration === 4 && done === 5) controller.abort();
      },
    });
    await expect(stopped).rejects.toThrow("the M-step was stopped.");
    for (const k of [3, 4]) rmSync(out(`other/iterations/000${k}`), { recursive: true });
    await resume("other");
    expect(results(out("other"))).toEqual(results(out("one")));
  });

  test("an iteration that was begun is finished as it was begun", async () => {
    const stop = new AbortController();
    const stopped = train(tinyObservations(), TINY, {
      out: out("run"),
      signal: stop.signal,
      onEvent: ({ stage, iteration, done }) => {
        if (stage === "M-step" && iteration === 3 && done === 2) stop.abort();
      },
    });
    await expect(stopped).rejects.toThrow();
    const run = await resume("run");
    expect(run.info.earlier).toEqual([{ until: 3, iterations: 3 }]);
    expect((await run.readFigures(3)).mStep.steps).toBe(TINY.mStep.finalSteps);
  });

  test("keeps its history in run.json, under its checksum", async () => {
    await train(tinyObservations(), TINY, { out: out("run") });
    await (await RunFolder.open(out("run"))).withIterations(4);
    const run = await (await RunFolder.open(out("run"))).withIterations(7);
    expect(run.info.earlier).toEqual([
      { until: 3, iterations: 3 },
      { until: 3, iterations: 4 },
    ]);
    expect([1, 3, 4, 7].map((k) => configAt(run.info, k).em.iterations)).toEqual([3, 3, 7, 7]);
    const file = out("run/run.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"until": 3', '"until": 2'));
    await expect(RunFolder.open(out("run"))).rejects.toThrow("expected the fields that the run began with");
  });
});
