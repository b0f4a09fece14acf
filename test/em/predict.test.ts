import { expect, test } from "vitest";
import { buildNetwork } from "../../src/em/config/config.ts";
import { predictRun } from "../../src/em/predict.ts";
import { countParameters } from "../../src/nn/parameters.ts";
import { N, TINY, tinyObservations } from "./tiny-run.ts";

const ENGINE = { engine: { threads: 1 }, budgetSeconds: 1 };

test("a run's time is that of its parts", async () => {
  const { start, eStep, mStep, seconds, parameters } = await predictRun(tinyObservations(), TINY, ENGINE);
  for (const part of [start, eStep, mStep]) expect(part.seconds).toBeGreaterThan(0);
  expect(seconds).toBe(start.seconds + eStep.seconds + mStep.seconds);
  expect(parameters).toBe(countParameters(buildNetwork(TINY.network, [N]).parameters));
  // Iterations 2 and 3 draw for 40 and 50; 2 x 12 + 8 optimizer steps.
  expect(eStep.seconds).toBeCloseTo(90 * eStep.unitSeconds, 12);
  expect(mStep.seconds).toBeCloseTo(32 * mStep.unitSeconds, 12);
});
