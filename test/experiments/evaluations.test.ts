import { describe, expect, test } from "vitest";
import { groupWays, waysChart } from "../../experiments/evaluations/chart.ts";
import { evaluationsPage } from "../../experiments/evaluations/page.ts";
import { EVALUATIONS_RECIPES } from "../../experiments/evaluations/recipes.ts";
import { costOf, demoName, levelsOf, PLAIN } from "../../experiments/evaluations/settings.ts";
import { demoConfig } from "../../src/cli/commands/demo.ts";
import { mergeConfig } from "../../src/em/config/config.ts";

const demo = demoConfig(false);
/** Levels of which the costs below can be counted by hand. */
const RANGE = { sigmaMin: 0.01, sigmaMax: 20 } as const;

/** Evaluations of a draw with changes of the plain method. */
function plainCost(eStep: object, restart?: number) {
  const changes = { schedule: { spacing: PLAIN.spacing }, eStep: { ...PLAIN.eStep, ...eStep } };
  const config = mergeConfig(demo, changes);
  return costOf(
    levelsOf({ schedule: { ...config.schedule, ...RANGE } }, config.eStep, restart),
    config.eStep,
  );
}

describe("network evaluations of a draw", () => {
  test("count each level's forward passes and vector-Jacobian products", () => {
    expect(plainCost({ steps: 12 })).toEqual({ forwards: 13, products: 13, total: 26 });
    expect(plainCost({ steps: 12, cgSteps: 3 })).toEqual({ forwards: 13, products: 39, total: 52 });
    expect(plainCost({ steps: 3, sampler: "heun", eta: 0 })).toEqual({ forwards: 8, products: 8, total: 16 });
    expect(plainCost({ steps: 12, covariance: "sigma-x", cgSteps: 9 }).products).toBe(13);
    // 20, 10.6, ..., 0.24 and then 0.13, ...: eight levels of thirteen are at least 0.2.
    expect(plainCost({ steps: 12, gaussianBelow: 0.2 })).toEqual({ forwards: 13, products: 8, total: 21 });
    expect(plainCost({ steps: 5 }, 1)).toEqual({ forwards: 6, products: 6, total: 12 });
    // In units of 2 the levels are half as large.
    const { eStep } = mergeConfig(demo, { eStep: { steps: 2, gaussianStart: 8, gaussianBelow: 0.2 } });
    const levels = levelsOf({ schedule: RANGE, unit: 2 }, eStep);
    expect(levels[0]).toBe(4);
    expect(levels[1]).toBeCloseTo(0.2, 10);
    expect(costOf(levels, eStep, 2).products).toBe(2);
  });

  test("of the demo's E-step are half of the plain method's with 12 steps", () => {
    const { total } = costOf(levelsOf({ schedule: { ...demo.schedule, ...RANGE } }, demo.eStep), demo.eStep);
    expect(total).toBeLessThanOrEqual(plainCost({ steps: 12 }).total / 2);
  });
});

test("the page shows ways and, where EM ran, its end", () => {
  const way = { forwards: 13, products: 13, total: 26, distance: 40.2, residual: 1.6 };
  const ways = [
    { name: "plain, T = 12", ...way },
    { name: demoName(demo), ...way, total: 13 },
  ];
  const run = { evaluations: 1e4, perDraw: 26, prior: 120.25, posterior: 50, ownPosterior: 51 };
  const without = evaluationsPage({ ways, runs: [] }, EVALUATIONS_RECIPES.tiny);
  const all = evaluationsPage({ ways, runs: [{ name: "plain", ...run }] }, EVALUATIONS_RECIPES.tiny);
  expect(without.match(/<svg/g)).toHaveLength(1);
  expect(without).not.toContain("120.3");
  expect(all).toContain("120.3");
  expect(all).not.toContain("NaN");
});

test("the chart joins plain ways, sets the demo's apart, and leaves far ones to the caption", () => {
  const way = (name: string, total: number, distance: number) => ({
    ...{ name, total, distance },
    ...{ forwards: 1, products: 1, residual: 1 },
  });
  const ways = [way("plain, T = 12", 26, 50), way("plain, T = 6", 14, 60), way("heun", 16, 700)];
  const groups = groupWays([...ways, way("edm", 14, 55), way(demoName(demo), 13, 51)]);
  expect(groups.plain.map(({ total }) => total)).toEqual([14, 26]);
  expect(groups.demo.map(({ total }) => total)).toEqual([13]);
  expect(groups.others.map(({ name }) => name)).toEqual(["edm"]);
  expect(groups.offScale.map(({ name }) => name)).toEqual(["heun"]);
  // Four points, without heun's, and three entries in the legend.
  expect(waysChart(groups).text.match(/<circle/g)).toHaveLength(4 + 3);
});
