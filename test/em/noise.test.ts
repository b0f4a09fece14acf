import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../../src/em/config/config.ts";
import type { Context } from "../../src/em/context.ts";
import { ensureGaussian } from "../../src/em/gaussian-start.ts";
import type { NoiseFigures } from "../../src/em/run/iteration-figures.ts";
import { train } from "../../src/em/train.ts";
import { maskedObservations, matrixObservations, observe } from "./observations-in-memory.ts";
import { results } from "./tiny-run.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-em-noise-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const [N, M, COUNT, VARIANCE] = [4, 8, 200, 0.04];
const ESTIMATED = mergeConfig(defaultConfig([N], COUNT), {
  network: { width: 16, blocks: 1, embedding: 8 },
  start: { rank: 2 },
  em: {
    noise: "estimate",
    iterations: 2,
    observations: 96,
    finalObservations: 96,
    buffer: 1,
    validation: 0.1,
  },
  eStep: { steps: 16, batch: 96 },
  mStep: { steps: 16, finalSteps: 16, batch: 32 },
  figures: { gallery: 3, prior: 5, priorSteps: 4 },
});

/** Latents on a plane, of one cluster or of two. */
function latents(rng: Rng, clusters: 1 | 2) {
  const U = Float64Array.from({ length: N * 2 }, () => rng.normal());
  const x = new Float32Array(COUNT * N);
  for (let i = 0; i < COUNT; i++) {
    const away = clusters === 2 ? (rng.uniform() < 0.5 ? -2 : 2) : 0;
    const w = [away + rng.normal() / clusters, rng.normal()];
    for (let j = 0; j < N; j++) x[i * N + j] = U[2 * j]! * w[0]! + U[2 * j + 1]! * w[1]!;
  }
  return float32(x, [COUNT, N]);
}

/** More measurements than entries, whose noise has the variance `VARIANCE`. */
function overdetermined(seed: number, clusters: 1 | 2, stated: number) {
  const rng = new Rng(seed);
  const x = latents(rng, clusters);
  const A = float32(
    Float32Array.from({ length: COUNT * M * N }, () => rng.normal() / Math.sqrt(N)),
    [COUNT, M, N],
  );
  const noise = () => Math.sqrt(VARIANCE) * rng.normal();
  return matrixObservations(observe(x, A, noise), A, stated);
}

/** Every entry is seen once or not at all. */
function masked(stated: number) {
  const rng = new Rng(2);
  const x = latents(rng, 1);
  const mask = float32(
    x.data.map((_, at) => Number(at % N === 0 || rng.uniform() < 0.7)),
    x.shape,
  );
  const y = x.data.map((value, at) => mask.data[at]! * (value + Math.sqrt(VARIANCE) * rng.normal()));
  return maskedObservations(float32(y, x.shape), mask, stated);
}

/** What the Gaussian start says of the noise. */
async function atStart(observations: ReturnType<typeof masked>, config: TrainConfig, force = false) {
  let noise: NoiseFigures | undefined;
  const none = async () => undefined;
  const run = {
    ...{ has: async () => false, hasNoise: async () => false, beginIteration: none, writeGaussian: none },
    writeNoise: async (_: number, found: NoiseFigures) => {
      noise = found;
    },
  };
  const context = { run, observations, config, rng: new Rng(0), engine: { threads: 1 }, options: { force } };
  await ensureGaussian(context as unknown as Context);
  return noise;
}

describe("the Gaussian start", () => {
  test.each([
    { seed: 1, clusters: 1, factor: 4 },
    { seed: 2, clusters: 1, factor: 1 / 4 },
    { seed: 3, clusters: 2, factor: 4 },
    { seed: 4, clusters: 2, factor: 1 / 4 },
  ] as const)("finds a variance that is $factor times the stated one ($clusters clusters)", async (one) => {
    const { scale, error } = (await atStart(
      overdetermined(one.seed, one.clusters, VARIANCE / one.factor),
      ESTIMATED,
    ))!;
    // 20 to 4 numbers of 200 observations tell it: chi-square, whose deviation is sqrt(2 / (COUNT (M - N))), twice for twins.
    expect(error / scale).toBeLessThan(Math.sqrt(4 / (COUNT * (M - N))) + 0.03);
    expect(Math.abs(scale - one.factor)).toBeLessThan(3 * error);
  });

  test("refuses observations that do not tell noise from latents, in one line", async () => {
    await expect(atStart(masked(VARIANCE), ESTIMATED)).rejects.toThrow(
      /^em\.noise: expected observations that tell noise from what is measured, found ones whose latents can follow it.*set em\.noise to "stated"/,
    );
    expect(await atStart(masked(VARIANCE), ESTIMATED, true)).toEqual({
      scale: 1,
      error: Number.POSITIVE_INFINITY,
    });
  });

  test("takes the stated noise for true by default", async () => {
    const stated = mergeConfig(ESTIMATED, { em: { noise: "stated" } });
    expect(await atStart(masked(VARIANCE), stated)).toBeUndefined();
  });
});

describe("a run", () => {
  test("corrects the noise by its draws, keeps it in its figures, and resumes to the same bytes", async () => {
    const observations = overdetermined(5, 2, VARIANCE / 4);
    const out = join(folder, "run");
    const run = await train(observations, ESTIMATED, { out });
    const whole = results(out);
    const found = (await run.readFigures(2)).noise!;
    expect(found).toEqual(await run.readNoise(2));
    expect(Math.abs(found.scale - 4)).toBeLessThan(3 * found.error);
    const { residual } = (await run.readFigures(2)).eStep;
    expect(Math.abs(residual! - 1)).toBeLessThan(0.1); // 2 with the stated noise

    rmSync(join(out, "iterations/0002"), { recursive: true });
    await train(observations, ESTIMATED, { out, resume: true });
    expect(results(out)).toEqual(whole);

    // As if the start had taken the stated noise for true: the draws that follow contradict it.
    rmSync(join(out, "iterations/0002"), { recursive: true });
    await run.writeNoise(1, { scale: 1, error: 0.1 });
    await train(observations, ESTIMATED, { out, resume: true });
    const corrected = await run.readNoise(2);
    expect(corrected.scale).toBeGreaterThan(3);
    expect(Math.abs(corrected.scale - 4)).toBeLessThan(3 * corrected.error);
  });
});
