import { describe, expect, test } from "vitest";
import { formatSpread, groupSeries, seedGroups } from "../../src/report/pages/seed-groups.ts";
import { type RunData, readRun } from "../../src/report/read-run.ts";
import { renderReport } from "../../src/report/report.ts";
import { fakeFigures, fakeRun } from "./fake-run.ts";

/** A run of a covariance and a seed whose distance is 200 / (iteration + 1) + shift. */
async function seeded(
  covariance: string,
  seed: number,
  shift: number,
  more: { iterations?: number; warnings?: readonly string[] } = {},
): Promise<RunData> {
  const { iterations = 3, warnings } = more;
  const { folder, put } = fakeRun({
    name: `${covariance}, seed ${seed}`,
    iterations,
    config: { seed, eStep: { covariance } },
  });
  for (let k = 0; k <= iterations; k++)
    put(
      k === 0 ? "start/figures.json" : `iterations/000${k}/figures.json`,
      JSON.stringify({
        ...fakeFigures(k),
        eStep: { residual: 1, spread: 1 + shift * k },
        metrics: { "prior Frechet distance": 200 / (k + 1) + shift },
        ...(warnings && k === iterations && { warnings }),
      }),
    );
  return await readRun(folder);
}

describe("runs that differ in their seed alone", () => {
  test("are one group; another covariance is another", async () => {
    const runs = [
      await seeded("tweedie", 0, 0),
      await seeded("sigma-t", 0, 5),
      await seeded("tweedie", 1, 2),
    ];
    const groups = seedGroups(runs);
    expect(groups.map(({ name, runs: { length } }) => [name, length])).toEqual([
      ["tweedie, 2 seeds", 2],
      ["sigma-t, seed 0", 1],
    ]);
  });

  test("of one name are told by their folders, as far as those differ", async () => {
    const [a, b] = [await seeded("tweedie", 0, 0), await seeded("sigma-t", 0, 0)];
    const placed = [
      { ...a, name: "run", folder: "/home/me/work/a/run" },
      { ...b, name: "run", folder: "/home/me/work/b/deep/run" },
    ];
    expect(seedGroups(placed).map(({ name }) => name)).toEqual(["run (a/run)", "run (b/deep/run)"]);
    expect(renderReport(placed)).not.toContain("/home/me");
    expect(renderReport(placed.slice(0, 1))).toContain("(A: mask) in obs.zarr.");
    expect(renderReport(placed.slice(0, 1))).not.toContain("/home/me");
    const twice = [placed[0]!, { ...placed[1]!, folder: placed[0]!.folder }];
    expect(seedGroups(twice).map(({ name }) => name)).toEqual(["run (run)", "run (run)"]);
  });

  test("are drawn as their mean with a band from the least to the greatest, where all have a value", async () => {
    const runs = [await seeded("tweedie", 0, 0), await seeded("tweedie", 1, 8, { iterations: 2 })];
    const [group] = seedGroups(runs);
    const { points, band } = groupSeries(group!, (run) =>
      run.figures.map((f) => [f.iteration, f.metrics["prior Frechet distance"]] as const),
    );
    expect(points).toEqual([
      [0, 204],
      [1, 104],
      [2, 200 / 3 + 4],
    ]);
    expect(band).toEqual([
      [0, 200, 208],
      [1, 100, 108],
      [2, 200 / 3, 200 / 3 + 8],
    ]);
  });

  test("have mean and standard deviation in words; a missing value is told", () => {
    expect(formatSpread([1, 2, 6])).toBe("3 ± 2.6");
    expect(formatSpread([4])).toBe("4");
    expect(formatSpread([1, undefined])).toBe("-");
    expect(formatSpread([])).toBe("-");
  });
});

test("a comparison of several covariances and seeds has a line and a band for each, and the runs' warnings", async () => {
  const warnings = ["Iteration 3: draws scatter 4.0 times as widely as the measurements allow."];
  const runs: RunData[] = [];
  for (const seed of [0, 1, 2]) {
    runs.push(await seeded("tweedie", seed, seed), await seeded("identity", seed, 20 + seed));
    runs.push(await seeded("sigma-t", seed, 90 + 9 * seed, { warnings }));
  }
  const text = renderReport(runs);
  expect(text.match(/class="band"/g)!.length).toBe(3 * 3); // distance, residual, spread
  for (const part of [
    "9 runs compared",
    "tweedie, 3 seeds",
    "51 ± 1", // 200 / 4 + 0, 1, 2
    "sigma-t, 3 seeds: Iteration 3: draws scatter 4.0 times",
    "(warnings in 3 of 3 runs)",
    "lines are means",
    "as wide as the observations",
  ])
    expect(text).toContain(part);
  expect(text).not.toContain("tweedie, 3 seeds: Iteration");
});

test("the report of one run names its first and last warnings at the top, and marks them in the table", async () => {
  const text = renderReport([await seeded("sigma-t", 0, 9, { warnings: ["Iteration 3: it goes astray."] })]);
  expect(text).toContain('<p class="alert">Iteration 3: it goes astray.</p>');
  expect(text).toContain("⚠ 1");
});
