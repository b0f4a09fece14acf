import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { mergeConfig } from "../../src/em/config.ts";
import { predictRun } from "../../src/em/predict.ts";
import { matrixObservations } from "./observations-in-memory.ts";
import { N, TINY, tinyObservations } from "./tiny-run.ts";

const ENGINE = { engine: { threads: 1 }, budgetSeconds: 1 };

test("a run's time is that of its parts", async () => {
  const { start, eStep, mStep, seconds, parameters } = await predictRun(tinyObservations(), TINY, ENGINE);
  for (const part of [start, eStep, mStep]) expect(part.seconds).toBeGreaterThan(0);
  expect(seconds).toBe(start.seconds + eStep.seconds + mStep.seconds);
  // 4 values and 8 numbers of the noise level to 16 neurons, and those to 4, with biases.
  expect(parameters).toBe((N + 8) * 16 + 16 + 16 * N + N);
});

test("a Gaussian start that has settled before a second iteration has a time", async () => {
  const count = 20;
  const blind = matrixObservations(
    float32(new Float32Array(count * 2), [count, 2]),
    float32(new Float32Array(count * 2 * N), [count, 2, N]),
    1,
  );
  const { start } = await predictRun(blind, mergeConfig(TINY, { start: { iterations: 40 } }), ENGINE);
  expect(start.seconds).toBeGreaterThan(0);
});
