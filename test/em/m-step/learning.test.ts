import { beforeAll, describe, expect, test } from "vitest";
import { float32 } from "../../../src/core/array.ts";
import { Rng } from "../../../src/core/random.ts";
import { gaussianBase } from "../../../src/diffusion/base.ts";
import { buildNetwork, defaultConfig, mergeConfig } from "../../../src/em/config/config.ts";
import { learningRateCourse } from "../../../src/em/course.ts";
import type { TrainingSet } from "../../../src/em/m-step/batch.ts";
import { holdOut, isLoss } from "../../../src/em/m-step/held-out.ts";
import { beginTraining, initialState, type TrainingProgress } from "../../../src/em/m-step/state.ts";
import { compileTrainer, type Trainer } from "../../../src/em/m-step.ts";
import { initialize } from "../../../src/nn/parameters.ts";

const COUNT = 2000;
const STEPS = 150;
/** A network of a quarter of the default width, which takes a tenth of the time. */
const config = mergeConfig(defaultConfig([2], COUNT), { network: { width: 64 } });
const network = buildNetwork(config.network, [2]);
const base = gaussianBase({
  mean: float32([0, 0]),
  diagonal: float32([1, 1]),
  factor: float32([], [2, 0]),
});
/** Two clusters of shares .9 and .1, of mean 0 and variance 1 along each axis. */
const draws = {
  count: COUNT,
  copyRow: (index: number, out: Float32Array, row: number) => {
    const rng = new Rng(index);
    const center = rng.uniform() < 0.9 ? 1 / 3 : -3;
    out.set([0.99 * center + 0.1 * rng.normal(), -0.99 * center + 0.1 * rng.normal()], 2 * row);
  },
};
const { training, heldOut } = holdOut(draws);
const weights = initialize(network.parameters, new Rng(1));
weights["output.weight"]!.data.fill(0);
const before = initialState(network, weights);

describe("an M-step on two clusters", () => {
  let trainer: Trainer;
  const run = async (rate: number, steps: number, begun = beginTraining(before), from = before) =>
    await trainer.train(begun, {
      draws: training,
      steps,
      learningRate: () => rate,
      rng: new Rng(2),
      judge: { before: from, heldOut },
      stage: { name: "M-step", iteration: 3, iterations: 8 },
    });
  let learned: TrainingProgress;
  beforeAll(async () => {
    const schedule = { sigmaMin: 1e-2, sigmaMax: 10 };
    trainer = await compileTrainer({ network, mStep: config.mStep, schedule, base }, { threads: 1 });
    learned = await run(config.mStep.learningRate[0], STEPS);
    return async () => await trainer.release();
  });

  test("learns what the Gaussian leaves unexplained, and knows it from held-out draws", () => {
    const { gain, gainError } = learned.judgement!.gain!;
    expect(gain).toBeGreaterThan(0.1);
    expect(gain).toBeGreaterThan(5 * gainError);
    expect(learned.judgement!.warnings).toEqual([]);
  });

  test("that ends worse than the base warns, and leaves the weights from before", async () => {
    const ruined = await run(3, 20, undefined, before);
    expect(ruined.judgement!.gain!.gain).toBeLessThan(0);
    expect(ruined.judgement!.warnings[0]).toContain("iteration 3: the M-step learned nothing");
    expect(ruined.state.average).toEqual(before.average);
    expect(ruined.state.slowed).toBe(1);
    expect(learned.state.slowed).toBe(0);
    /** A network of a quarter of the default width, which takes a tenth of the time. */
    const config = mergeConfig(defaultConfig([2], COUNT), { network: { width: 64 } });
    const [usual, slow] = [0, 2].map((slowed) => learningRateCourse(config, 1, 10, slowed)(3)) as [
      number,
      number,
    ];
    expect(slow).toBeCloseTo(usual / 9, 12);
  });

  test("that remembers a few draws is taken back, though these do not tell", async () => {
    const few = { ...training, count: 2 };
    const remember = async (judges: TrainingSet) =>
      await trainer.train(beginTraining(learned.state), {
        draws: few,
        steps: 2 * STEPS,
        learningRate: () => 1e-3,
        rng: new Rng(5),
        judge: { before: learned.state, heldOut: judges },
        stage: { name: "M-step", iteration: 4, iterations: 8 },
      });
    const fair = await remember(draws);
    expect(fair.judgement!.warnings[0]).toContain("the M-step learned nothing");
    expect(fair.state.average).toEqual(learned.state.average);
    expect((await remember(few)).judgement!.warnings).toEqual([]);
  });

  test("is judged once: a resumed one keeps what was found", async () => {
    expect(await run(1e-3, STEPS, learned)).toEqual(learned);
  });
});

test("few rows must be worse by more of their errors than many", () => {
  const worse = (errors: number, gainRows: number) => isLoss({ gain: -errors, gainError: 1, gainRows });
  expect([worse(2.9, 4), worse(3.2, 4), worse(1.9, 200), worse(2.1, 200)]).toEqual([
    false,
    true,
    false,
    true,
  ]);
  expect(isLoss({ gain: -1, gainError: 0, gainRows: 1 })).toBe(false);
});

test("every sixteenth row is held out, at most 256, and no other is missing from training", () => {
  for (const count of [10, 16, 100, 5000]) {
    const all = { count, copyRow: (index: number, out: Float32Array, row: number) => out.set([index], row) };
    const parts = Object.values(holdOut(all)).map((part) => {
      const rows = new Float32Array(part.count);
      for (let i = 0; i < part.count; i++) part.copyRow(i, rows, i);
      return [...rows];
    });
    expect(parts[1]!.length).toBe(Math.min(256, Math.floor(count / 16)));
    expect(parts.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
  }
});
