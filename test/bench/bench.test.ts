import { describe, expect, test } from "vitest";
import { caseNamed, networkOf } from "../../bench/cases.ts";
import { refusal, relativeErrors } from "../../bench/compare.ts";
import { samplingFlops, trainingFlops } from "../../bench/flops.ts";
import { parseOptions } from "../../bench/options.ts";
import { median } from "../../bench/rounds.ts";
import { float32 } from "../../src/core/array.ts";
import { countParameters } from "../../src/nn/parameters.ts";

describe("bench", () => {
  test("a peer's time counts only if its results are ours", () => {
    const ours = { samples: float32([3, 4]), breakdown: float32([0]) };
    const near = relativeErrors(ours, { samples: float32([3, 4.0001]) });
    expect(near.samples).toBeCloseTo(2e-5, 7);
    expect(refusal(near)).toBeUndefined();
    expect(refusal(relativeErrors(ours, { samples: float32([3, 4.1]) }))).toMatch(
      /samples differs by 2\.0e-2/,
    );
    expect(refusal(relativeErrors(ours, { samples: float32([3, Number.NaN]) }))).toMatch(/samples differs/);
    expect(refusal(relativeErrors(ours, { samples: float32([3]) }))).toMatch(/samples differs/);
    expect(refusal({})).toMatch(/no results/);
  });

  test("the median of an even number of rounds is between the two in the middle", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  test("an MLP's operations are two for each weight and sample, and a product costs as much again", () => {
    const one = caseNamed("mlp");
    const first = 6 * 256;
    const weights = first + 3 * 256 * 256 + 256 * 5;
    // The noise level's modulations of the three blocks: once for a batch that shares its level.
    const modulations = 3 * (64 * 64 + 64 * 3 * 256);
    const evaluation = 2 * weights * one.batch;
    expect(samplingFlops(one, 0)).toBe((one.steps + 1) * (evaluation + 2 * modulations));
    expect(samplingFlops(one, 2)).toBe((one.steps + 1) * (3 * evaluation + 2 * modulations));
    const step = 2 * one.mStep.batch * (3 * (weights + modulations) - first);
    expect(trainingFlops(one)).toBe(one.optimizerSteps * step);
  });

  test("the medium network has about five million parameters and two billion operations an image", () => {
    const one = caseNamed("medium");
    const parameters = countParameters(networkOf(one).parameters);
    expect(parameters).toBeGreaterThan(5e6);
    expect(parameters).toBeLessThan(6.5e6);
    const perImage = samplingFlops(one, 0) / (one.steps + 1) / one.batch;
    expect(perImage / 1e9).toBeCloseTo(2.03, 1);
  });

  test("unknown parts and numbers of threads are refused with what is allowed", () => {
    expect(() => parseOptions(["--only", "demi"])).toThrow(/--only.*Did you mean "?demo/);
    expect(() => parseOptions(["--threads", "0"])).toThrow(/--threads must be a whole number >= 1/);
    expect(parseOptions(["--only", "demo,mlp"])).toMatchObject({
      only: ["demo", "mlp"],
      rounds: 5,
      peers: false,
    });
  });
});
