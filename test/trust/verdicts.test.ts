import { describe, expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import type { Answers } from "../../src/trust/held-out/answers.ts";
import type { Trial } from "../../src/trust/trial.ts";
import { type Finding, judge, levelOf } from "../../src/trust/verdict.ts";
import { calibration } from "../../src/trust/verdicts/calibration.ts";
import { convergence } from "../../src/trust/verdicts/convergence.ts";
import { identifiability } from "../../src/trust/verdicts/identifiability.ts";
import { noise } from "../../src/trust/verdicts/noise.ts";
import { operator } from "../../src/trust/verdicts/operator.ts";
import { overfitting } from "../../src/trust/verdicts/overfitting.ts";
import { sampler } from "../../src/trust/verdicts/sampler.ts";

const n = 200;
const finding = (value: number, error: number): Finding => ({
  ...{ value, expected: 0, error, freedom: n - 1, tolerance: 1, because: "b.", remedy: "r" },
});

describe("a level", () => {
  test("is wrong beyond the tolerance for certain, doubtful where it may be within, and says when nothing can be told", () => {
    expect(levelOf(finding(0.9, 0.01), 1)).toBe("ok"); // certain, but harmless
    expect(levelOf(finding(1.2, 0.5), 1)).toBe("ok"); // by chance
    expect(levelOf(finding(1.2, 0.2), 1)).toBe("doubtful");
    expect(levelOf(finding(-9, 0.5), 1)).toBe("wrong");
    expect(levelOf({ ...finding(-9, 0.5), oneSided: true }, 1)).toBe("ok");
    expect(levelOf(finding(0.5, 1.2), 1)).toBe("unknown");
    expect(levelOf(finding(Number.NaN, 1), 1)).toBe("unknown");
  });

  test("of a verdict is that of the first finding, unless another raises an alarm", () => {
    const level = (...findings: Finding[]) => judge("noise", findings, []).level;
    expect(level(finding(0, 0.1), finding(0, 9))).toBe("ok");
    expect(level(finding(0, 9), finding(0, 0.1))).toBe("unknown");
    expect(level(finding(0, 9), finding(9, 0.1))).toBe("wrong");
  });
});

/** Predictions N(0, 1) of 5 numbers of entries 0 ... 4, which truly have the deviation that is told. */
function answers(seed: number, deviation: (i: number, m: number) => number): Answers[] {
  const rng = new Rng(seed);
  return Array.from({ length: n }, (_, i) => ({
    entries: [0, 1, 2, 3, 4],
    measured: [0, 1, 2, 3, 4].map((m) => deviation(i, m) * rng.normal()),
    noise: [0, 0, 0, 0, 0],
    predictions: Array.from({ length: 19 }, () => [0, 1, 2, 3, 4].map(() => rng.normal())),
  }));
}

describe("calibration and operator", () => {
  const right = answers(1, () => 1);
  const twins = answers(2, () => 1);
  const none = Array.from({ length: n }, () => new Map<number, number>());
  const operated = (own: readonly Answers[]) =>
    operator({ answers: own, residuals: none }, { answers: twins, residuals: none }).level;
  const calibrated = (own: readonly Answers[]) => calibration(own, twins, new Rng(0)).level;

  test("are ok where predictions are right", () => {
    expect([calibrated(right), operated(right)]).toEqual(["ok", "ok"]);
  });

  test("tell errors that are too large alike from errors that are too large here and there", () => {
    const alike = answers(3, () => 2);
    expect([calibrated(alike), operated(alike)]).toEqual(["wrong", "ok"]);
    const somewhere = answers(4, (i) => (i % 3 === 0 ? 5 : 1));
    expect([calibrated(somewhere), operated(somewhere)]).toEqual(["wrong", "wrong"]);
    expect(operated(answers(5, (_, m) => (m === 3 ? 4 : 1)))).toBe("wrong");
  });

  test("residuals of one entry that are too large tell of the operator, too", () => {
    const rng = new Rng(8);
    const residuals = (f: number) =>
      Array.from(
        { length: n },
        () => new Map([0, 1, 2].map((m) => [m, (m === 1 ? f : 1) * rng.normal() ** 2])),
      );
    const level = (f: number) =>
      operator({ answers: right, residuals: residuals(f) }, { answers: twins, residuals: residuals(1) });
    expect(level(1).level).toBe("ok");
    expect(level(9)).toMatchObject({ level: "wrong", because: expect.stringContaining("entry 1 of y") });
  });

  // Errors of N(0, s^2) that are predicted as N(0, 1): central 90 % intervals hold 2 Phi(1.645 / s) - 1 of them. Of 200 times 5
  // numbers the share has an error of .01, and 3 of them are beyond chance: 1 false alarm in 20 * 9 verdicts at most.
  test.each([
    ["94 %", 0.87, ["ok"]],
    ["90 %", 1, ["ok"]],
    ["86.5 %", 1.1, ["ok"]],
    ["99.4 %", 0.6, ["wrong"]],
    ["79 %", 1.3, ["wrong"]],
  ])("intervals of 90 %% that hold %s are a fault only outside 85 to 95 %%", (_, s, levels) => {
    for (const seed of [11, 12, 13, 14]) {
      const found = calibration(
        answers(seed, () => s),
        twins,
        new Rng(seed),
      );
      expect(levels, found.because).toContain(found.level);
      if (found.level === "ok") expect(Math.abs(found.value! - 0.9)).toBeLessThan(0.05 + 3 * found.error!);
    }
  });

  test("errors of a hundredth of the interval's share are no fault", () => {
    expect(calibrated(answers(6, () => 1.03))).toBe("ok");
  });
});

/** Trials of y = x + n, x ~ N(0, v), n ~ N(0, f), with exact draws for f = 1; M numbers each. */
function trial(seed: number, f: number, { v = 1, M = 10, width = 1 } = {}): Trial {
  const rng = new Rng(seed);
  const misfits: number[][] = [];
  const known: number[] = [];
  const ranks: number[][] = [];
  for (let i = 0; i < n; i++) {
    const x = Array.from({ length: M }, () => Math.sqrt(v) * rng.normal());
    const y = x.map((value) => value + Math.sqrt(f) * rng.normal());
    const draw = () =>
      y.map((value) => (v / (v + 1)) * value + width * Math.sqrt(v / (v + 1)) * rng.normal());
    const draws = Array.from({ length: 19 }, draw);
    const misfit = (latent: readonly number[]) =>
      latent.reduce((sum, value, m) => sum + (y[m]! - value) ** 2, 0);
    misfits.push(draws.map(misfit));
    known.push(misfit(x));
    ranks.push(x.map((value, m) => draws.filter((own) => own[m]! < value).length));
  }
  return {
    answers: [],
    residuals: [],
    misfits,
    shown: new Float64Array(n).fill(M),
    truth: { misfits: Float64Array.from(known), ranks: { S: 19, each: ranks } },
  };
}

describe("noise", () => {
  test.each([
    [1, ["ok"]],
    [4, ["wrong"]],
    [0.25, ["wrong", "doubtful"]], // how strongly latents follow the noise is known to a sixth
  ])("of %s times the stated variance is found", (f, levels) => {
    const verdict = noise(trial(1, f), trial(2, 1));
    expect(levels).toContain(verdict.level);
    expect(Math.abs(verdict.value! - f)).toBeLessThan(4 * verdict.error!);
    expect(verdict.error).toBeLessThan(0.25 * Math.max(1, f));
  });

  test("is unknown where latents follow whatever was measured", () => {
    expect(noise(trial(1, 4, { v: 1e6 }), trial(2, 1, { v: 1e6 })).level).toBe("unknown");
  });
});

describe("sampler", () => {
  const settings = { method: "mmps", covariance: "sigma-t", steps: 4, cgSteps: 1 };
  test("is ok where draws are exact, and names the remedy where they are narrow", () => {
    expect(sampler(trial(7, 1), settings, new Rng(0)).level).toBe("ok");
    const { level, remedy } = sampler(trial(7, 1, { width: 0.5 }), settings, new Rng(0));
    expect([level, remedy]).toEqual(["wrong", "Set eStep.covariance to tweedie (it is sigma-t)."]);
  });
});

describe("training", () => {
  /** Of 100 observations of one number each; paired differences have an error of a hundredth. */
  const course = (means: readonly number[], slack = 0) =>
    means.map((mean, iteration) => {
      const rng = new Rng(iteration);
      const each = Float64Array.from({ length: 100 }, () => mean + (0.1 / Math.SQRT2) * rng.normal());
      const measured = new Float64Array(100).fill(1);
      return { iteration, values: { each, measured, slack: new Float64Array(100).fill(slack) } };
    });
  const ended = [-3, -2, -1.9, -1.9, -1.9, -1.9, -1.9, -1.9];

  test("has converged where the evidence rises no more", () => {
    expect(convergence(course(ended), []).level).toBe("ok");
    expect(convergence(course([-3, -2, -1.9, -1.8, -1.7]), []).level).toBe("wrong");
    expect(convergence([], []).level).toBe("unknown");
  });

  test("of one iteration is wrong, doubtful or unknown, whatever it brought", () => {
    const level = (rise: number) => convergence(course([-2, rise - 2]), []).level;
    expect([1, 0.05, 0, -1].map(level)).toEqual(["wrong", "doubtful", "unknown", "unknown"]);
    expect(convergence(course([-2, -1.95, -1.9499]), []).level).toBe("ok");
  });

  test("is told by predictions where the evidence is a lower bound only", () => {
    const bound = course([-3, -2, -1, -0.5], 1);
    const told = (scores: number[]) => convergence(bound, course(scores)).because;
    expect(told(ended)).toContain("score of predictions");
    expect(convergence(bound, course([-30, -20, -16, -14])).level).toBe("wrong");
    expect(convergence(bound, course([-30, -20, -20, -20])).level).toBe("ok");
    expect(convergence(bound, []).level).toBe("unknown");
  });

  test("overfits where unseen observations are predicted worse than seen ones", () => {
    const rng = new Rng(1);
    const scores = (size: number) =>
      Array.from({ length: 100 }, () => ({ score: size * rng.gamma(4), start: rng.gamma(4) }));
    expect(overfitting(scores(1), scores(1)).level).toBe("ok");
    expect(overfitting(scores(2), scores(1)).level).toBe("wrong");
    expect(overfitting(scores(1), scores(2)).level).toBe("ok");
  });

  test("what is hard to predict for the start as well is not laid to overfitting, and blurs it less", () => {
    const rng = new Rng(2);
    const scores = (size: number, shift: number) =>
      Array.from({ length: 30 }, () => {
        const start = rng.gamma(2);
        return { score: size + start + shift + 0.1 * rng.normal(), start: start + shift };
      });
    const [right, hard] = [overfitting(scores(1, 0), scores(1, 0)), overfitting(scores(1, 1), scores(1, 0))];
    expect([right.level, hard.level]).toEqual(["ok", "ok"]);
    expect(right.error).toBeLessThan(0.02);
    expect(overfitting(scores(2, 0), scores(1, 0)).level).toBe("wrong");
  });
});

describe("identifiability", () => {
  const told = (...observations: number[]) =>
    observations.map((value) => ({ observations: value, share: 1 / observations.length }));
  test("counts what no observation tells, and what few do", () => {
    const level = (directions: number[], pairs: number[]) =>
      identifiability({ directions: told(...directions), pairs: told(...pairs), pairsOf: "pairs" }).level;
    expect(level([100, 200], [50, 60])).toBe("ok");
    expect(level([100, 200], [5, 60])).toBe("doubtful");
    expect(level([0, 200], [50, 60])).toBe("wrong");
  });
});
