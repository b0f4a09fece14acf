import { describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import type { Model } from "../../src/inference/model.ts";
import { compileGuided } from "../../src/inference/posterior.ts";
import { mlp } from "../../src/nn/mlp.ts";
import type { Estimate } from "../../src/trust/clusters.ts";
import {
  combineDraws,
  type Evidence,
  evidenceGains,
  gaussianEvidence,
  isLowerBound,
  NATS,
  perNumber,
  rise,
  slackOf,
  withGains,
} from "../../src/trust/evidence.ts";
import { drawMixture, gaussianOf, mixtureEvidence, observed, randomMixture } from "./truths.ts";

const COUNT = 64;
const VARIANCE = 1e-2;
/** As runs have them: a sixth of the noise's deviation, and four times the widest direction's. */
const LEVELS = { ofNoise: 1 / 6, ofWidest: 4 };

/**
 * Evidence of a mixture of K Gaussians in N dimensions in closed form, of a Gaussian that is too wide and beside it, and what
 * draws find from there.
 */
async function compare(
  K: number,
  N: number,
  kind: "mask" | "matrix",
  levels = LEVELS,
): Promise<{ start: Evidence; found: Evidence; exact: Evidence }> {
  const rng = new Rng(100 + N + K);
  const q = randomMixture(rng.split("prior"), K, N);
  const gaussian = gaussianOf(q, 1);
  for (let j = 0; j < N; j++) {
    gaussian.mean.data[j]! += 0.2;
    gaussian.diagonal.data[j]! *= 2;
  }
  const { observations, operators, seen } = observed(
    drawMixture(q, rng.split("x"), COUNT),
    kind,
    VARIANCE,
    rng.split("y"),
  );
  const widest = gaussian.factor.data.reduce((sum, value) => sum + value ** 2, gaussian.diagonal.data[0]!);
  const model: Model = {
    network: mlp({ features: N, width: 4, blocks: 1, embedding: 4 }),
    parameters: undefined,
    gaussian,
    denoiser: mixtureDenoiser(q),
    base: "gaussian",
    schedule: {
      sigmaMin: levels.ofNoise * Math.sqrt(VARIANCE),
      sigmaMax: levels.ofWidest * Math.sqrt(widest),
    },
  };
  const start = await gaussianEvidence(model, observations, rng.split("start"));
  const choice = {
    ...({ sampler: "multistep", covariance: "tweedie", steps: 32, batch: COUNT } as const),
    cgSteps: Math.min(6, operators[0]!.rows + 2),
  };
  const gains = await evidenceGains(model, observations, choice, {
    draws: 2,
    stream: (index, s) => rng.split("draws", index, s),
  });
  const exact = Float64Array.from(operators, (A, i) => mixtureEvidence(q, A, seen[i]!, VARIANCE));
  return { start, found: withGains(start, gains), exact: { each: exact, measured: start.measured } };
}

const CASES = [2, 16, 64].flatMap((N) => (["mask", "matrix"] as const).map((kind) => [N, kind] as const));
/** Root of the sum of squared differences, observation by observation. */
const distance = (one: Evidence, other: Evidence) =>
  Math.hypot(...one.each.map((value, i) => value - other.each[i]!));
const certainty = ({ mean, error }: Estimate) => Math.abs(mean) / error;

describe("evidence", () => {
  test.each(CASES)(
    "of a Gaussian that began as another one, in %i dimensions through a %s, is that in closed form within three errors",
    async (N, kind) => {
      const { start, found, exact } = await compare(1, N, kind);
      const off = rise(exact, found);
      expect(certainty(off)).toBeLessThan(3);
      expect(off.error).toBeLessThan(0.02);
      expect(distance(found, exact)).toBeLessThan(0.5 * distance(start, exact)); // the draws tell most of it
    },
  );

  test.each(CASES)(
    "of three clusters in %i dimensions through a %s is that in closed form within three errors",
    async (N, kind) => {
      const { start, found, exact } = await compare(3, N, kind);
      const off = rise(exact, found);
      expect(certainty(off)).toBeLessThan(3);
      expect(off.error).toBeLessThan(0.03);
      expect(distance(found, exact)).toBeLessThan(0.7 * distance(start, exact));
    },
  );

  test("counts what lies beyond the first and the last noise level", async () => {
    // From the widest deviation down to the noise's own, a third of the range: what lies beyond is most of the rise.
    const { start, found, exact } = await compare(1, 16, "mask", { ofNoise: 1, ofWidest: 1 });
    const off = rise(exact, found);
    expect(certainty(off)).toBeLessThan(3);
    expect(rise(start, exact).mean).toBeGreaterThan(5 * off.error);
  });

  test("of the prior that it began as is the closed form, exactly", async () => {
    const rng = new Rng(3);
    const q = randomMixture(rng.split("prior"), 1, 16);
    const gaussian = gaussianOf(q, 15);
    const { observations } = observed(drawMixture(q, rng.split("x"), 8), "matrix", VARIANCE, rng.split("y"));
    const model: Model = {
      network: mlp({ features: 16, width: 4, blocks: 1, embedding: 4 }),
      parameters: undefined,
      gaussian,
      base: "gaussian",
      schedule: { sigmaMin: 0.01, sigmaMax: 4 },
    };
    const gains = await evidenceGains(
      model,
      observations,
      { sampler: "multistep", covariance: "tweedie", steps: 8, batch: 8, cgSteps: 2 },
      { draws: 2, stream: (index, s) => rng.split(index, s) },
    );
    for (const gain of gains.each) expect(Math.abs(gain)).toBeLessThan(1e-3);
  });

  test("costs no pass of the network beside those of the draws", async () => {
    const rng = new Rng(5);
    const q = randomMixture(rng.split("prior"), 1, 4);
    const { observations } = observed(drawMixture(q, rng.split("x"), 2), "mask", VARIANCE, rng.split("y"));
    let passes = 0;
    const exact = mixtureDenoiser(q);
    const model: Model = {
      network: mlp({ features: 4, width: 4, blocks: 1, embedding: 4 }),
      parameters: undefined,
      gaussian: gaussianOf(q, 1),
      denoiser: (x_t, sigma_t) => {
        passes++;
        return exact(x_t, sigma_t);
      },
      base: "gaussian",
      schedule: { sigmaMin: 0.01, sigmaMax: 4 },
    };
    for (const sampler of ["multistep", "heun", "pc"] as const) {
      const counts: number[] = [];
      for (const evidence of [false, true]) {
        passes = 0;
        const choice = { sampler, covariance: "tweedie", steps: 2, batch: 2, cgSteps: 2, evidence } as const;
        await using _ = await compileGuided(model, observations, choice);
        counts.push(passes);
      }
      expect(counts[1], sampler).toBe(counts[0]);
    }
  });

  test("a sampler without noise tells it too, with more scatter", async () => {
    const rng = new Rng(4);
    const q = randomMixture(rng.split("prior"), 1, 4);
    const gaussian = gaussianOf(q, 1);
    const x = drawMixture(q, rng.split("x"), COUNT);
    const { observations, operators, seen } = observed(x, "mask", VARIANCE, rng.split("y"));
    const model: Model = {
      network: mlp({ features: 4, width: 4, blocks: 1, embedding: 4 }),
      parameters: undefined,
      gaussian,
      denoiser: mixtureDenoiser(q),
      base: "gaussian",
      schedule: { sigmaMin: 0.01, sigmaMax: 4 },
    };
    const start = await gaussianEvidence(model, observations, rng.split("start"));
    const gains = await evidenceGains(
      model,
      observations,
      { sampler: "ddim", covariance: "tweedie", steps: 32, batch: COUNT, cgSteps: 6 },
      { draws: 1, stream: (index, s) => rng.split(index, s) },
    );
    const exact = Float64Array.from(operators, (A, i) => mixtureEvidence(q, A, seen[i]!, VARIANCE));
    const off = rise({ each: exact, measured: start.measured }, withGains(start, gains));
    expect(certainty(off)).toBeLessThan(3);
    expect(off.error).toBeLessThan(0.1);
  });
});

test("draws are combined in pairs, by the mean of their weights", () => {
  const log = Math.log;
  const draws = [[log(2)], [log(4)], [-1000], [1]].map((values) => Float64Array.from(values));
  expect(combineDraws(draws.slice(0, 1)).each[0]).toBeCloseTo(log(2), 12);
  expect(combineDraws(draws.slice(0, 2)).each[0]).toBeCloseTo(log(3), 12);
  expect(combineDraws(draws.slice(0, 1)).slack[0]).toBe(0);
  expect(combineDraws(draws.slice(0, 2)).slack[0]).toBeCloseTo(log(3) - log(8) / 2, 12);
  expect(combineDraws(draws).each[0]).toBeCloseTo((log(3) + 1 - log(2)) / 2, 12);
});

test("evidence per number weighs observations by their numbers", () => {
  const evidence = { each: Float64Array.of(-2, -6), measured: Float64Array.of(1, 3) };
  expect(perNumber(evidence)).toEqual({ mean: -2, error: 0, freedom: 1 });
  const { mean, error } = rise(evidence, { ...evidence, each: Float64Array.of(-1, -6) });
  expect(mean).toBe(0.25);
  expect(error).toBeCloseTo((Math.SQRT2 * Math.hypot(0.75, 0.75)) / 4, 12);
});

describe("an evidence in which much is missing is a lower bound", () => {
  const missing = (slack: number) =>
    slackOf({
      each: Float64Array.of(-2, -6),
      measured: Float64Array.of(1, 3),
      slack: Float64Array.of(0, slack),
    });

  test("per measured number", () => {
    expect(missing(8)).toBe(2);
    expect(isLowerBound(missing(4 * NATS))).toBe(false);
    expect(isLowerBound(missing(4.01 * NATS))).toBe(true);
  });

  test("or where it is not finite; none in closed form is", () => {
    expect([Number.NaN, Number.POSITIVE_INFINITY, null].map(isLowerBound)).toEqual([true, true, true]);
    expect([0, undefined].map(isLowerBound)).toEqual([false, false]);
  });
});
