import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../../src/core/random.ts";
import { sizeOf } from "../../../src/core/shape.ts";
import { normalBase } from "../../../src/diffusion/base.ts";
import { defaultConfig, type MStepConfig, mergeConfig } from "../../../src/em/config/config.ts";
import { AUGMENTATION_NAMES } from "../../../src/em/m-step/augmentations.ts";
import { drawBatch } from "../../../src/em/m-step/batch.ts";
import { beginTraining, initialState, type TrainingProgress } from "../../../src/em/m-step/state.ts";
import { compileTrainer } from "../../../src/em/m-step.ts";
import { train } from "../../../src/em/train.ts";
import { initialize } from "../../../src/nn/parameters.ts";
import { unet } from "../../../src/nn/unet.ts";
import { expectAllClose } from "../../matchers.ts";
import { results, TINY, tinyObservations } from "../tiny-run.ts";

const SHAPE = [3, 8, 8];
const BATCH = 8;
const SCHEDULE = { sigmaMin: 1e-2, sigmaMax: 30 };
/** A U-Net with dropout, on RGB images with all augmentations. */
const config = mergeConfig(defaultConfig(SHAPE, 100), {
  network: { channels: [4, 8], blocks: [1, 1], heads: [0, 0], patch: 2, embedding: 8, dropout: 0.3 },
  mStep: { batch: BATCH, augment: AUGMENTATION_NAMES, clipNorm: 0.05 },
});
const network = unet({
  ...(config.network as Extract<typeof config.network, { type: "unet" }>),
  shape: SHAPE,
});
const size = sizeOf(SHAPE);
const draws = {
  count: 100,
  copyRow: (index: number, out: Float32Array, row: number) =>
    new Rng(index).fillNormal(out.subarray(row * size, (row + 1) * size)),
};
const start = () => beginTraining(initialState(network, initialize(network.parameters, new Rng(3))));

async function trained(
  mStep: Partial<MStepConfig>,
  steps: number,
  begun: TrainingProgress = start(),
  checkpoint?: (progress: () => TrainingProgress) => Promise<void>,
): Promise<TrainingProgress> {
  const trainer = await compileTrainer({
    network,
    mStep: { ...config.mStep, ...mStep },
    schedule: SCHEDULE,
    base: normalBase,
    black: -2,
  });
  const progress = await trainer.train(begun, {
    draws,
    steps,
    learningRate: () => 1e-3,
    rng: new Rng(5),
    stage: { name: "M-step", iteration: 1, iterations: 1 },
    checkpoint,
  });
  await trainer.release();
  return progress;
}

describe("micro-batches", () => {
  test("give the gradient, parameters, average and loss of the whole batch, to rounding", async () => {
    const whole = await trained({}, 6);
    for (const microBatch of [2, 1]) {
      const parts = await trained({ microBatch }, 6);
      // Adam divides by the root of its second moment, which magnifies rounding where gradients are nearly zero.
      const relative = 1e-5;
      for (const name of ["parameters", "first", "second", "average"] as const)
        expectAllClose(parts.state[name], whole.state[name], { relative });
      expectAllClose(
        parts.loss.map(([, value]) => value),
        whole.loss.map(([, value]) => value),
        { relative },
      );
      expect(parts.state.step).toBe(6);
    }
    // The gradients before the limit on their norm were longer than it, so that limit was one of the whole gradient.
    const first = await trained({}, 1);
    const norm = Math.sqrt(first.state.first.data.reduce((total, value) => total + (10 * value) ** 2, 0));
    expect(norm).toBeCloseTo(0.05, 5);
  });

  test("a micro-batch as large as the batch is the whole batch, to the bit", async () => {
    const [whole, same] = [await trained({}, 3), await trained({ microBatch: BATCH }, 3)];
    expect(same).toEqual(whole);
  });

  test("training goes on from a checkpoint to the same bytes", async () => {
    let middle: TrainingProgress | undefined;
    const whole = await trained({ microBatch: 2 }, 5, start(), async (progress) => {
      if (progress().done === 2) middle = progress();
    });
    expect(await trained({ microBatch: 2 }, 5, middle)).toEqual(whole);
  });

  test("rows of a batch are the same numbers whichever are asked for together", () => {
    const { mStep } = config;
    const dropouts = [
      [4, 8, 8],
      [8, 4, 4],
    ];
    const spec = { mStep, schedule: SCHEDULE, shape: SHAPE, dropoutRate: 0.3, dropouts };
    const rows = () => drawBatch(spec, draws, new Rng(9));
    const whole = rows()(0, BATCH);
    expect(Object.keys(whole).sort()).toEqual([
      "augmentation",
      "dropout0",
      "dropout1",
      "noise",
      "sigma",
      "x",
    ]);
    const later = rows()(4, 6);
    for (const [name, { data, shape }] of Object.entries(later)) {
      const each = sizeOf(shape) / 2;
      expect(data).toEqual(whole[name]!.data.slice(4 * each, 6 * each));
    }
    const kept = (whole.dropout0!.data as Float32Array).reduce((total, value) => total + value, 0);
    // Five standard deviations of Binomial(2048, 0.7).
    expect(Math.abs(kept - 0.7 * 2048)).toBeLessThan(5 * Math.sqrt(2048 * 0.21));
  });
});

describe("micro-batches in a run", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-micro-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const parts = mergeConfig(TINY, { mStep: { microBatch: 2 } });

  test("a run that was stopped inside an M-step resumes to the same bytes", async () => {
    const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
    await train(tinyObservations(), parts, { out: whole });
    const controller = new AbortController();
    const interrupted = train(tinyObservations(), parts, {
      out: stopped,
      signal: controller.signal,
      checkpointSeconds: 0,
      onEvent: ({ stage, iteration, done }) => {
        if (stage === "M-step" && iteration === 2 && done === 5) controller.abort();
      },
    });
    await expect(interrupted).rejects.toThrow("the M-step was stopped.");
    await train(tinyObservations(), parts, { out: stopped, resume: true });
    expect(results(stopped)).toEqual(results(whole));
  });

  test("a size that does not divide the batch, and changes of what is no image, are refused before anything is written", async () => {
    const out = join(folder, "refused");
    const odd = mergeConfig(TINY, { mStep: { microBatch: 3 } });
    await expect(train(tinyObservations(), odd, { out })).rejects.toThrow(
      "mStep.microBatch must divide mStep.batch (8), got 3. Take 2, or change the batch.",
    );
    const flip = mergeConfig(TINY, { mStep: { augment: ["flip"] } });
    await expect(train(tinyObservations(), flip, { out })).rejects.toThrow('"flip" needs images');
    await train(tinyObservations(), mergeConfig(TINY, { em: { iterations: 1 } }), { out });
  });
});
