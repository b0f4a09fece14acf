import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { mergeConfig } from "../../src/em/config/config.ts";
import { observationRange } from "../../src/em/course.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { COUNT, TINY as config, N, tinyObservations as observations, results } from "./tiny-run.ts";

describe("train", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-train-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test("leaves a run that tells its configuration, weights, draws and figures", async () => {
    const run = await train(observations(), config, { out: join(folder, "run") });
    expect(await run.lastIteration()).toBe(3);
    const figures = await run.readFigures(2);
    expect(figures.eStep.draws).toBe(40);
    // Exact Gaussian draws of iteration 1 agree with 80 x 2 measurements to the noise: 1 within five standard errors.
    const { residual } = (await run.readFigures(1)).eStep;
    expect(Math.abs(residual! ** 2 - 1)).toBeLessThan(5 * Math.sqrt(2 / 160));
    expect(Number.isFinite(figures.eStep.residual)).toBe(true);
    expect(figures.loss.length).toBeGreaterThan(0);
    expect((await run.readModel(3)).parameters?.["output.weight"]?.shape).toEqual([N, 16]);
    expect(JSON.parse(readFileSync(join(run.path, "status.json"), "utf8")).state).toBe("done");
  });

  test("a run that was stopped resumes to the same bytes as one left alone", async () => {
    const whole = join(folder, "whole");
    const stopped = join(folder, "stopped");
    await train(observations(), config, { out: whole });
    const controller = new AbortController();
    const interrupted = train(observations(), config, {
      out: stopped,
      signal: controller.signal,
      onEvent: ({ stage, iteration, done }) => {
        if (stage === "M-step" && iteration === 2 && done === 5) controller.abort();
      },
    });
    await expect(interrupted).rejects.toThrow("the M-step was stopped.");
    expect(JSON.parse(readFileSync(join(stopped, "status.json"), "utf8")).state).toBe("interrupted");
    await train(observations(), config, { out: stopped, resume: true });
    expect(results(stopped)).toEqual(results(whole));
  });

  test("the first E-step tells how far it is, and resumes after its last batch", async () => {
    const many = () => {
      const few = observations();
      const read: typeof few.read = async (start, end) => {
        const parts = await Promise.all(
          Array.from({ length: end - start }, (_, i) =>
            few.read((start + i) % COUNT, ((start + i) % COUNT) + 1),
          ),
        );
        const join = (arrays: HostArray<"float32">[]) =>
          float32(
            arrays.flatMap(({ data }) => [...data]),
            [arrays.length, ...arrays[0]!.shape.slice(1)],
          );
        return {
          y: join(parts.map(({ y }) => y)),
          data: { matrix: join(parts.map(({ data }) => data.matrix!)) },
        };
      };
      return { ...few, count: 600, read };
    };
    const short = mergeConfig(config, { em: { iterations: 1, observations: 0 } });
    const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
    const seen: [number, string][] = [];
    const controller = new AbortController();
    await train(many(), short, { out: whole, checkpointSeconds: 0 });
    const interrupted = train(many(), short, {
      out: stopped,
      checkpointSeconds: 0,
      signal: controller.signal,
      onEvent: ({ stage, done, total, unit }) => {
        if (stage !== "E-step") return;
        seen.push([done / total, unit]);
        controller.abort();
      },
    });
    await expect(interrupted).rejects.toThrow("sampling was stopped.");
    expect(seen).toEqual([[256 / 600, "draws"]]);
    await train(many(), short, { out: stopped, resume: true });
    expect(results(stopped)).toEqual(results(whole));
  });

  test("refuses a folder with a run, with something else, and observations that changed", async () => {
    const out = join(folder, "run");
    await train(observations(), mergeConfig(config, { em: { iterations: 1 } }), { out });
    await expect(train(observations(), config, { out })).rejects.toThrow(
      "found one. Continue it with --resume",
    );
    writeFileSync(join(folder, "stray.txt"), "");
    await expect(train(observations(), config, { out: folder })).rejects.toThrow(
      "expected a new or empty folder",
    );
    const changed = { ...observations(), checksum: async () => "1".repeat(64) };
    const around = { ...observations(), path: folder };
    for (const inside of [folder, join(folder, "y", "run")])
      await expect(train(around, config, { out: inside })).rejects.toThrow(
        `${inside}: expected a run outside its observations, found it inside ${folder}. Choose another folder.`,
      );
    symlinkSync(folder, join(folder, "link"));
    const linked = train(around, config, { out: join(folder, "link", "y", "run") });
    await expect(linked).rejects.toThrow("expected a run outside its observations");
    expect(existsSync(join(folder, "y"))).toBe(false);
    await expect(train(changed, config, { out, resume: true })).rejects.toThrow("found others. Restore them");
  });

  test("does not take the lock that another process is about to write for something else", async () => {
    const out = mkdtempSync(join(folder, "raced-"));
    writeFileSync(join(out, `..lock-1.${process.ppid}.0123abcd.tmp`), "{}");
    await train(observations(), mergeConfig(config, { em: { iterations: 1 } }), { out });
    expect(existsSync(join(out, "iterations", "0001", "figures.json"))).toBe(true);
  });

  test("refuses what its E-steps could not draw before it writes anything", async () => {
    const out = join(folder, "run");
    const schedule = { sigmaMin: 0.01, sigmaMax: 10 };
    for (const eStep of [{ gaussianStart: 0.001 }, { sampler: "pc", tau: 0 }])
      await expect(train(observations(), mergeConfig(config, { schedule, eStep }), { out })).rejects.toThrow(
        /gaussianStart must be above|tau must be in/,
      );
    expect(existsSync(out)).toBe(false);
  });

  test("refuses levels that do not fit those that follow from the start, before it trains", async () => {
    for (const changes of [{ eStep: { gaussianStart: 1e4 } }, { schedule: { sigmaMin: 1e4 } }]) {
      const out = mkdtempSync(join(folder, "levels-"));
      await expect(train(observations(), mergeConfig(config, changes), { out })).rejects.toThrow(
        /gaussianStart must be above|0 < sigmaMin < sigmaMax expected/,
      );
      expect(existsSync(join(out, "iterations"))).toBe(false);
    }
  });

  test("is named by its folder; goes on without the figures of an iteration before", async () => {
    const out = `${join(folder, "named")}/`;
    const run = await train(observations(), config, { out });
    expect(run.info.name).toBe("named");
    for (const k of [1, 3]) rmSync(run.file(k, "figures.json"));
    await train(observations(), config, { out, resume: true });
    expect((await run.readFigures(3)).iteration).toBe(3);
  });

  test("refuses runs of another version and damaged files, naming them", async () => {
    const out = join(folder, "run");
    await train(observations(), mergeConfig(config, { em: { iterations: 1 } }), { out });
    const run = await RunFolder.open(out);
    const weights = run.file(1, "weights.safetensors");
    writeFileSync(weights, readFileSync(weights).subarray(0, 100));
    await expect(run.readModel(1)).rejects.toThrow("weights.safetensors");
    writeFileSync(run.file(1, "figures.json"), "[]");
    await expect(run.readFigures(1)).rejects.toThrow(
      "figures.json: expected a JSON object, found []. Delete it and continue with --resume.",
    );
    const info = JSON.parse(readFileSync(join(out, "run.json"), "utf8"));
    writeFileSync(join(out, "run.json"), JSON.stringify({ ...info, version: 1 }));
    await expect(RunFolder.open(out)).rejects.toThrow(
      'expected format "diem-run", version 2, found "diem-run", version 1',
    );
    writeFileSync(join(out, "run.json"), "{");
    await expect(RunFolder.open(out)).rejects.toThrow("run.json: expected JSON");
  });

  test("iterations take the next observations in turn, and the first fills the buffer", () => {
    const ranges = [1, 2, 3].map((k) => observationRange(config, COUNT, k));
    expect(ranges).toEqual([
      { start: 0, count: 80 },
      { start: 80, count: 40 },
      { start: 24, count: 50 },
    ]);
    expect(observationRange(mergeConfig(config, { em: { observations: 0, buffer: 1 } }), COUNT, 2)).toEqual({
      start: 0,
      count: COUNT,
    });
  });
});
