import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Matrix } from "ml-matrix";
import { expect, test, vi } from "vitest";
import { main } from "../../experiments/command.ts";
import { divergenceFrom, median, type Pair } from "../../experiments/posteriors/divergence.ts";
import { APPROXIMATIONS, drawsAtLevel, likelihoodsAt } from "../../experiments/posteriors/levels.ts";
import {
  componentsOf,
  condition,
  diffuse,
  draw,
  logNormal,
  logSum,
  NOISE,
  observe,
  randomMatrix,
  randomMixture,
} from "../../experiments/posteriors/problem.ts";
import { Rng } from "../../src/core/random.ts";

const rng = new Rng(7);
const prior = componentsOf(randomMixture(rng.split("prior")));
const observation = observe(prior, rng.split("observation"));

/** The pair of sets of each distribution at one noise level. */
async function divergencesAt(sigma: number) {
  const sizes = { samples: 64, proposals: 1024 };
  const [one, two] = [0, 1].map((set) =>
    drawsAtLevel(prior, observation, sigma, sizes, rng.split(sigma, set)),
  );
  const distance = await divergenceFrom([one!.exact, two!.exact], undefined);
  const found: Record<string, number> = {};
  for (const name of APPROXIMATIONS) found[name] = await distance([one![name], two![name]]);
  return found;
}

test("the density of a normal is that of its closed form in two dimensions", () => {
  const S = new Matrix([
    [2, 0.6],
    [0.6, 1],
  ]);
  const determinant = 2 - 0.36;
  const quadratic = (1 * 0.25 - 2 * 0.6 * 0.5 * -1 + 2 * 1) / determinant;
  const expected = -0.5 * quadratic - 0.5 * Math.log(determinant) - Math.log(2 * Math.PI);
  expect(logNormal(S)([0.5, -1])).toBeCloseTo(expected, 12);
});

test("p(y | x_t) is the ratio that Bayes' rule makes of the joint density", () => {
  const sigma = 0.4;
  const density = (parts: ReturnType<typeof diffuse>, x: readonly number[]) =>
    logSum(
      parts.map(
        ({ logWeight, mean, covariance }) =>
          logWeight + logNormal(covariance)(x.map((value, i) => value - mean.get(i, 0))),
      ),
    );
  // `condition` leaves ln p(y) in the weights, so its density is p(x_t, y).
  const joint = diffuse(condition(prior, observation), sigma);
  const likelihoods = likelihoodsAt(prior, observation, sigma);
  const x_t = draw(joint, 4, rng.split("points"));
  for (let i = 0; i < 4; i++) {
    const x = Array.from(x_t.data.subarray(16 * i, 16 * (i + 1)));
    expect(likelihoods(x).exact).toBeCloseTo(density(joint, x) - density(diffuse(prior, sigma), x), 6);
  }
});

test("with one component Tweedie's covariance and the prior's are exact", () => {
  const single = [{ ...prior[0]!, logWeight: 0 }];
  const likelihoods = likelihoodsAt(single, observe(single, rng.split("single")), 0.3);
  const x = randomMatrix(rng.split("x"), 16, 1).mul(0.5).to1DArray();
  const { exact, tweedie, "sigma-x": prior_x, "sigma-t": wide } = likelihoods(x);
  expect(tweedie).toBeCloseTo(exact, 8);
  expect(prior_x / exact).toBeCloseTo(1, 6);
  expect(Math.abs(wide - exact)).toBeGreaterThan(0.1);
});

test("where x_t tells the components apart Tweedie's covariance is far over ten times closer than Sigma_t", async () => {
  const { tweedie, "sigma-t": wide } = await divergencesAt(0.1);
  expect(wide).toBeGreaterThan(0.01);
  expect(wide).toBeGreaterThan(10 * Math.abs(tweedie!));
});

test("the divergence of a shifted distribution is the squared shift, and of the same none", async () => {
  const normal = (name: string, shift: number) => {
    const data = Float64Array.from({ length: 400 }, () => 0);
    rng.split(name).fillNormal(data);
    return {
      dtype: "float64" as const,
      shape: [200, 2],
      data: data.map((value, i) => value + (i % 2) * shift),
    };
  };
  const pair = (name: string, shift: number): Pair => [normal(`${name}1`, shift), normal(`${name}2`, shift)];
  const distance = await divergenceFrom(pair("u", 0), undefined);
  expect(await distance(pair("u", 0))).toBeCloseTo(0, 12);
  // Common random numbers leave of the sets' noise only what the entropy's weights add.
  expect(await distance(pair("u", 2))).toBeGreaterThan(3.5);
  expect(await distance(pair("u", 2))).toBeLessThan(4.5);
  expect(Math.abs(await distance(pair("v", 0)))).toBeLessThan(0.1);
  expect(median([3, 1, 2, 10])).toBe(2.5);
});

test("the recipe smoke writes every curve and a report", async () => {
  const out = await mkdtemp(join(tmpdir(), "posteriors-"));
  const spies = [vi.spyOn(process.stderr, "write"), vi.spyOn(process.stdout, "write")];
  for (const spy of spies) spy.mockReturnValue(true);
  try {
    expect(await main(["posteriors", "--recipe", "smoke", "--out", out, "--quiet"])).toBe(0);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  const results = JSON.parse(await readFile(join(out, "results.json"), "utf8"));
  expect(results.methods).toHaveLength(10);
  expect(results.levels.map(({ name }: { name: string }) => name)).toEqual([...APPROXIMATIONS]);
  for (const { points } of [...results.methods, results.twisted, ...results.levels])
    for (const { divergence } of points) expect(divergence).toBeGreaterThanOrEqual(1e-6);
  const report = await readFile(join(out, "report.html"), "utf8");
  expect(report.match(/<svg/g)).toHaveLength(3);
  expect(report).not.toContain("NaN");
});

test("what is drawn with the observation's noise lies within it", () => {
  const posterior = draw(condition(prior, observation), 8, rng.split("fit"));
  for (let i = 0; i < 8; i++) {
    const x = Matrix.columnVector(Array.from(posterior.data.subarray(16 * i, 16 * (i + 1))));
    const residual = Matrix.sub(observation.y, observation.A.mmul(x)).norm();
    expect(residual).toBeLessThan(6 * NOISE);
  }
});
