import { describe, expect, test } from "vitest";
import type { ObservationSet } from "../../src/data/observations/observation-set.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../../src/em/config/config.ts";
import { allocate } from "../../src/em/plan/allocate.ts";
import { bearable, countedRates, sizesOf } from "../../src/em/plan/bearable.ts";
import { drawsOf, fixedSeconds, type Rates, secondsOf, stepsOf } from "../../src/em/plan/duration.ts";
import { planRun } from "../../src/em/plan/plan.ts";
import { TINY, tinyObservations } from "./tiny-run.ts";

const NONE: ReadonlySet<string> = new Set();
const IMAGES: Rates = {
  start: ({ observations }) => 0.002 * observations,
  draw: 0.05,
  step: 0.1,
  compile: 1,
};
const VECTORS: Rates = {
  start: ({ observations }) => 0.001 * observations,
  draw: 0.002,
  step: 0.015,
  compile: 0.3,
};

const CASES = [
  { shape: [1, 28, 28], rates: IMAGES, counts: [100, 1000, 20_000] },
  { shape: [16], rates: VECTORS, counts: [64, 1096, 50_000] },
].flatMap(({ shape, rates, counts }) =>
  counts.flatMap((count) => [2, 5, 30, 240].map((minutes) => ({ shape, rates, count, minutes }))),
);

function plan(
  shape: readonly number[],
  count: number,
  rates: Rates,
  seconds: number,
  kept = NONE,
  changes = {},
) {
  const config = mergeConfig(defaultConfig(shape, count), changes);
  const sizes = sizesOf(config, { count });
  const planned = allocate(config, sizes, rates, seconds, kept);
  return { config: planned, sizes, seconds: secondsOf(planned, sizes, rates) };
}

const lengths = ({ em, mStep }: TrainConfig) => [
  em.iterations,
  em.observations,
  em.finalObservations,
  mStep.steps,
  mStep.finalSteps,
];

describe("allocate", () => {
  test.each(CASES)("fits $count latents $shape into $minutes minutes", ({ shape, count, rates, minutes }) => {
    const budget = 60 * minutes;
    const { config, sizes, seconds } = plan(shape, count, rates, budget);
    const { em, mStep } = config;
    expect(em.iterations).toBeGreaterThanOrEqual(4);
    expect(em.iterations).toBeLessThanOrEqual(24);
    expect(seconds).toBeLessThanOrEqual(budget);
    const isAll = em.observations === sizes.training;
    const passes = (mStep.steps * mStep.batch) / (em.buffer * em.observations);
    const most = shape.length === 3 ? 16 : 100;
    expect(passes).toBeLessThanOrEqual(1.1 * most);
    const isMost = passes > 0.9 * most;
    if (isAll && isMost) return; // nothing more to do with so few observations
    expect(seconds).toBeGreaterThan(0.85 * budget);
    // E-steps take what M-steps could only learn by heart with.
    if (isMost) expect((drawsOf(config, sizes) * rates.draw) / budget).toBeGreaterThan(0.2);
    if (isAll || isMost) return;
    // E-steps and M-steps one to two, and the last M-step a third of those.
    const left = budget - fixedSeconds(config, sizes, rates);
    expect((drawsOf(config, sizes) * rates.draw) / left).toBeCloseTo(1 / 3, 1);
    expect((stepsOf(config) * rates.step) / left).toBeCloseTo(2 / 3, 1);
    const lastPasses = (mStep.finalSteps * mStep.batch) / (em.buffer * em.observations);
    if (lastPasses < 2.7 * most) expect(mStep.finalSteps / stepsOf(config)).toBeCloseTo(1 / 3, 1);
  });

  test("more time never means fewer draws or steps", () => {
    for (const { shape, rates, counts } of [
      { shape: [1, 28, 28], rates: IMAGES, counts: [100, 5000] },
      { shape: [16], rates: VECTORS, counts: [64, 5000] },
    ])
      for (const count of counts) {
        let before = [0, 0];
        for (const minutes of [1, 3, 10, 30, 100]) {
          const { config, sizes } = plan(shape, count, rates, 60 * minutes);
          const work = [drawsOf(config, sizes), stepsOf(config)];
          expect(work[0]).toBeGreaterThanOrEqual(0.95 * before[0]!);
          expect(work[1]).toBeGreaterThanOrEqual(0.95 * before[1]!);
          before = work;
        }
      }
  });

  test("with time enough, draws for every observation at least 1.5 times", () => {
    const { config, sizes } = plan([1, 28, 28], 2000, IMAGES, 3600);
    expect(config.em.iterations * config.em.observations).toBeGreaterThan(1.5 * sizes.training);
  });

  test("keeps what the user has set, and fills the rest", () => {
    const set = { em: { iterations: 7, observations: 300 }, mStep: { steps: 222 } };
    const kept = new Set(["em.iterations", "em.observations", "mStep.steps"]);
    const { config, seconds } = plan([1, 28, 28], 5000, IMAGES, 1800, kept, set);
    expect(lengths(config).slice(0, 2)).toEqual([7, 300]);
    expect(config.mStep.steps).toBe(222);
    expect(seconds).toBeLessThanOrEqual(1800);
    expect(config.mStep.finalSteps).toBeGreaterThan(800);
    const both = new Set(["mStep.steps", "mStep.finalSteps"]);
    const steps = { mStep: { steps: 100, finalSteps: 500 } };
    const other = plan([1, 28, 28], 5000, IMAGES, 1800, both, steps);
    expect([other.config.mStep.steps, other.config.mStep.finalSteps]).toEqual([100, 500]);
    expect(other.seconds).toBeLessThanOrEqual(1800);
    expect(other.seconds).toBeGreaterThan(1500);
  });

  test("gives the start a fifth of the time at most", () => {
    const slow: Rates = { ...IMAGES, start: ({ observations }) => 0.1 * observations };
    expect(plan([1, 28, 28], 20_000, slow, 600).config.start.observations).toBe(1200);
    const { start } = defaultConfig([1, 28, 28], 20_000);
    expect(plan([1, 28, 28], 20_000, IMAGES, 600).config.start).toEqual(start);
    const kept = new Set(["start.observations", "start.rank"]);
    expect(plan([1, 28, 28], 20_000, slow, 600, kept).config.start).toEqual(start);
  });

  test("gives a larger rank half of the time where iterations are too short anyway", () => {
    const start: Rates["start"] = ({ rank, observations }) => (rank / 256) * (200 + observations / 100);
    const rank = (rates: Rates) => plan([1, 16, 16, 16], 1000, { ...rates, start }, 600).config.start.rank;
    expect(rank({ ...IMAGES, draw: 1, step: 1 })).toBe(256);
    expect(rank({ ...IMAGES, draw: 0.01, step: 0.02 })).toBe(128);
  });

  test("without any time, has the least that can be called EM", () => {
    const { config } = plan([1, 28, 28], 5000, IMAGES, 0);
    expect(lengths(config)).toEqual([2, 16, 32, 10, 10]);
  });
});

describe("bearable", () => {
  const data = (latentShape: readonly number[], count: number) =>
    ({ count, header: { latentShape, observationShape: latentShape } }) as ObservationSet;
  const chosen = (latentShape: readonly number[], count: number, kept = NONE) => {
    const config = defaultConfig(latentShape, count);
    return { config, own: bearable(config, data(latentShape, count), kept) };
  };

  test("leaves what a laptop can bear", () => {
    for (const [shape, count] of [
      [[4], 1000],
      [[16], 20_000],
      [[1, 12, 12], 500],
    ] as const) {
      const { config, own } = chosen(shape, count);
      expect(own).toBe(config);
    }
  });

  test("takes half an hour of a laptop where the defaults would take more", () => {
    for (const [shape, count] of [
      [[1, 31, 17], 1000],
      [[1, 28, 28], 60_000],
      [[3, 64, 64], 5000],
    ] as const) {
      const { own } = chosen(shape, count);
      expect(own.em.iterations).toBeGreaterThanOrEqual(4);
      const seconds = secondsOf(own, sizesOf(own, { count }), countedRates(own, data(shape, count)));
      expect(seconds).toBeLessThanOrEqual(1800);
    }
  });

  test("takes a coarser network where a finer one has no time to learn, unless the user chose", () => {
    const patches = (own: TrainConfig) => (own.network.type === "unet" ? own.network.patch : undefined);
    const { own } = chosen([3, 96, 96], 5000);
    expect(patches(own)).toBeGreaterThan(1);
    expect(own.em.observations).toBeGreaterThanOrEqual(128);
    expect(patches(chosen([1, 28, 28], 5000).own)).toBe(1);
    for (const path of ["network.channels", "em.iterations", "mStep.steps"])
      expect(patches(chosen([3, 96, 96], 5000, new Set([path])).own)).toBe(1);
  });

  test("keeps what the user has set", () => {
    const { own } = chosen([3, 64, 64], 5000, new Set(["em.iterations", "mStep.steps"]));
    const { em, mStep } = defaultConfig([3, 64, 64], 5000);
    expect([own.em.iterations, own.mStep.steps]).toEqual([em.iterations, mStep.steps]);
  });
});

test("a plan of a tiny run takes about as long as asked for, of whatever machine", async () => {
  const config = mergeConfig(TINY, { figures: { gallery: 1, prior: 1 } });
  const plan = await planRun(tinyObservations(), config, 1, NONE, { engine: { threads: 1 } });
  expect(plan.seconds).toBeLessThanOrEqual(60);
  expect(plan.config.em.iterations).toBe(24);
  // 96 observations, all of which are drawn for: more would only be learned by heart.
  expect(plan.config.em.observations).toBe(96);
});
