import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compileFigures } from "../../experiments/cifar10/figures.ts";
import { runCifar10, spreadOf } from "../../experiments/cifar10/main.ts";
import {
  CIFAR10_RECIPES,
  type Cifar10Recipe,
  COMPARED,
  type Compared,
} from "../../experiments/cifar10/recipes.ts";
import { configOf } from "../../experiments/cifar10/run.ts";
import type { Setting } from "../../experiments/experiment.ts";
import { Progress } from "../../src/cli/progress.ts";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { buildNetwork } from "../../src/em/config/config.ts";
import { countParameters } from "../../src/nn/parameters.ts";
import { inTemporaryFolder } from "../data/temporary.ts";

const ENGINE = { threads: 1 };
/** CIFAR-10's training images. */
const CIFAR10 = [50_000, 3, 32, 32];

describe("the recipes", () => {
  test.each(Object.entries(CIFAR10_RECIPES))(
    "%s differs between covariances in nothing else",
    (_, recipe) => {
      const { data }: Cifar10Recipe = recipe;
      const shape = data === "cifar-10" ? CIFAR10 : [data.count, 3, data.side, data.side];
      const configs = (Object.keys(COMPARED) as Compared[]).map((name) => configOf(recipe, shape, name, 3));
      for (const { eStep, ...config } of configs) {
        const { eStep: first, ...others } = configs[0]!;
        expect(config).toEqual(others);
        expect({ ...eStep, covariance: first.covariance }).toEqual(first);
      }
      expect(configs.map(({ eStep }) => eStep.covariance)).toEqual(["tweedie", "identity", "sigma-t"]);
    },
  );

  test("paper and reference have the parameters and steps of the published runs", () => {
    const sizes = (recipe: Cifar10Recipe) => {
      const { network, mStep } = configOf(recipe, CIFAR10, "tweedie", 0);
      return [countParameters(buildNetwork(network, [3, 32, 32]).parameters), mStep.steps];
    };
    expect(sizes(CIFAR10_RECIPES.paper)).toEqual([61_827_971, 50_000]);
    expect(sizes(CIFAR10_RECIPES.reference)).toEqual([57_560_451, 49_920]);
  });
});

describe("the Frechet distance in random features", () => {
  const images = (name: string, change: (value: number, rng: Rng) => number) => {
    const rng = new Rng(0).split(name);
    const data = new Float32Array(200 * 3 * 64);
    for (let i = 0; i < 200; i++) {
      const [a, b] = [rng.normal(), rng.normal()];
      for (let j = 0; j < 192; j++) data[192 * i + j] = change(0.5 * a * Math.sin((j % 8) / 3 + b), rng);
    }
    return float32(data, [200, 3, 8, 8]);
  };
  const smooth = (value: number) => value;

  test("is zero for the same images, small for more of the kind, and large for noisy, pale and other ones", async () => {
    const clean = images("clean", smooth);
    const { evaluate, release } = await compileFigures(clean, undefined, ENGINE);
    const distance = async (x: typeof clean) => (await evaluate("prior", x))["prior Frechet distance"]!;
    expect(await distance(clean)).toBeLessThan(1e-5);
    const more = await distance(images("more", smooth));
    expect(await distance(images("noisy", (value, rng) => value + 0.3 * rng.normal()))).toBeGreaterThan(
      4 * more,
    );
    expect(await distance(images("pale", (value) => 0.5 * value))).toBeGreaterThan(2 * more);
    expect(await distance(images("turned", (value) => -value + 1))).toBeGreaterThan(10 * more);
    await release();
  });
});

describe("the experiment", () => {
  const setting = (out: string, more: Partial<Setting> = {}): Setting => ({
    experiment: "cifar10",
    recipe: "tiny",
    out,
    seed: 0,
    data: [],
    tasks: [],
    validate: false,
    predict: undefined,
    features: undefined,
    session: { engine: ENGINE, progress: new Progress(true), watch: {} },
    ...more,
  });

  test("runs every covariance and seed, writes results and reports, and goes on where it was stopped", async () => {
    await inTemporaryFolder(async (out) => {
      await runCifar10(setting(out, { tasks: ["tweedie"] }));
      const first = JSON.parse(await readFile(join(out, "results.json"), "utf8"));
      expect(Object.keys(first.frechet)).toEqual(["tweedie"]);
      await runCifar10(setting(out));
      const { frechet, spread, runs, cleanImages } = JSON.parse(
        await readFile(join(out, "results.json"), "utf8"),
      );
      expect(Object.keys(frechet)).toEqual(["tweedie", "identity", "sigmaT"]);
      expect(frechet.tweedie).toEqual(first.frechet.tweedie);
      for (const [name, values] of Object.entries(frechet as Record<string, number[]>)) {
        expect(values.length).toBe(2);
        expect(values[0]).not.toBe(values[1]);
        expect(spread[name]).toEqual(spreadOf(values));
      }
      expect(cleanImages).toBeGreaterThan(0);
      const works = new Set(runs.map(({ work }: { work: object }) => JSON.stringify(work)));
      expect([...works]).toEqual(['{"iterations":2,"draws":32,"optimizerSteps":8}']);
      const page = await readFile(join(out, "report.html"), "utf8");
      for (const text of ["Tweedie", "(I + Σt⁻¹)⁻¹", "125.58", "observation", "unselected", 'class="band"'])
        expect(page).toContain(text);
      expect(page).not.toContain("NaN");
      for (const name of ["comparison.html", "runs/sigma-t-1/report.html", "observations-1"])
        expect(existsSync(join(out, name))).toBe(true);
    });
  }, 120_000);

  test("predicts how long a run takes", async () => {
    await inTemporaryFolder(async (out) => {
      await runCifar10(setting(out, { predict: 0.01 }));
      const { mStep, seconds } = JSON.parse(await readFile(join(out, "prediction.json"), "utf8"));
      expect(mStep.seconds).toBeGreaterThan(0);
      expect(seconds).toBeGreaterThan(mStep.seconds);
    });
  }, 60_000);

  test("names a covariance that there is not, data that are missing, and data in vain", async () => {
    await expect(runCifar10(setting("x", { tasks: ["sigma"] }))).rejects.toThrow(
      /tweedie, identity, sigma-t/,
    );
    await expect(runCifar10(setting("x", { recipe: "paper" }))).rejects.toThrow(/--data/);
    await expect(runCifar10(setting("x", { data: ["a.bin"] }))).rejects.toThrow(/Leave it out/);
  });
});

test("the spread of figures: mean, deviation, least and greatest", () => {
  expect(spreadOf([1, 2, 6])).toEqual({ mean: 3, deviation: Math.sqrt(7), least: 1, greatest: 6 });
  expect(spreadOf([4])).toEqual({ mean: 4, deviation: 0, least: 4, greatest: 4 });
});
