import { readFile } from "node:fs/promises";
import { describe, expect, test, vi } from "vitest";
import { main, usage } from "../../experiments/command.ts";
import { divergences, drawProblem, logWeights } from "../../experiments/covariances/compare.ts";
import { covariancesPage } from "../../experiments/covariances/page.ts";
import { combinedVariance, covarianceOf } from "../../experiments/covariances/prior-covariance.ts";
import { RECIPES } from "../../experiments/covariances/recipes.ts";
import { EXPERIMENTS } from "../../experiments/registry.ts";
import { Rng } from "../../src/core/random.ts";

async function run(...args: string[]): Promise<{ code: number; error: string }> {
  const lines: string[] = [];
  const write = (text: unknown) => lines.push(String(text)) > 0;
  const spies = [vi.spyOn(process.stderr, "write"), vi.spyOn(process.stdout, "write")];
  for (const spy of spies) spy.mockImplementation(write);
  try {
    return { code: await main(args), error: lines.join("") };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe("the runner", () => {
  test("names what is wrong in one line and exits with 2", async () => {
    const cases: [string[], RegExp][] = [
      [["covariance", "--out", "x"], /^Error: .*no experiment covariance\. Did you mean.*covariances/],
      [["covariances", "--out", "x", "--recipe", "labtop"], /^Error: .*no recipe labtop.*laptop/],
      [["covariances"], /^Error: .*--out is missing/],
      [["covariances", "--out", "x", "--sed", "1"], /^Error: .*no option --sed/],
      [["covariances", "--out", "x", "--seed", "-1"], /^Error: /],
    ];
    for (const [args, expected] of cases) {
      const { code, error } = await run(...args);
      expect(code).toBe(2);
      expect(error).toMatch(expected);
      expect(error.trimEnd().split("\n")).toHaveLength(1);
    }
    expect((await run()).code).toBe(2);
  });

  test("the usage and the manual list every experiment with its recipes", async () => {
    const manual = await readFile(new URL("../../experiments/README.md", import.meta.url), "utf8");
    for (const [name, { recipes }] of Object.entries(EXPERIMENTS)) {
      expect(recipes).toHaveProperty("laptop");
      for (const word of [name, ...Object.keys(recipes)]) {
        expect(usage()).toContain(word);
        expect(manual).toContain(`\`${word}\``);
      }
    }
  });
});

describe("covariances", () => {
  test("with one component every covariance but zero and the prior's is exact", () => {
    const problem = drawProblem(2, 3, new Rng(4));
    const single = { ...problem, mixture: { ...problem.mixture, means: problem.mixture.means.slice(0, 3) } };
    const x_t = Float64Array.from({ length: 30 }, (_, i) => Math.sin(i));
    const [exact, , , combined, tweedie] = logWeights(single, 0.3, x_t);
    expect(Array.from(tweedie!)).toEqual(Array.from(exact!, (value) => expect.closeTo(value, 8)));
    expect(Array.from(combined!)).toEqual(Array.from(exact!, (value) => expect.closeTo(value, 8)));
  });

  test("the combined variance lies below both of its parts", () => {
    const { mixture, a } = drawProblem(64, 3, new Rng(5));
    const covariance = covarianceOf(mixture);
    expect(combinedVariance(covariance, a, 1e-4)).toBeCloseTo(1e-8, 12);
    expect(combinedVariance(covariance, a, 0.5)).toBeLessThan(0.25);
  });

  test("V[x | xt] is far closer to the truth than the heuristics at a middle noise level", async () => {
    const recipe = { ...RECIPES.smoke, components: 256, proposals: 2 ** 13, samples: 96 };
    const rng = new Rng(0).split("covariances", 1);
    const [, noise, combined, tweedie] = await divergences(
      drawProblem(256, 3, rng),
      0.1,
      recipe,
      rng,
      undefined,
    );
    expect(noise).toBeGreaterThan(10 * tweedie!);
    expect(combined).toBeGreaterThan(10 * tweedie!);
  });

  test("the page shows the chart, the illustration and the medians", () => {
    const levels = [0.1, 1].map((sigma) => ({ sigma, p25: 0.1, p50: 0.2, p75: 0.3 }));
    const text = covariancesPage([{ covariance: "one", levels }], RECIPES.smoke, 0);
    expect(text).toContain("log scale");
    expect(text.match(/<svg/g)!.length).toBe(6);
    expect(text).not.toContain("NaN");
  });
});
