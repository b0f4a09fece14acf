import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32, type HostArray, hostArray } from "../../src/core/array.ts";
import type { Schedule } from "../../src/diffusion/schedule.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { vjp } from "../../src/graph/vjp.ts";
import { acrossBorder, borderOf } from "../../src/inference/export/border.ts";
import { describeModel } from "../../src/inference/export/description.ts";
import { modelDenoiser } from "../../src/inference/model.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

interface Packed {
  readonly shape: number[];
  readonly data: number[];
}
/** A prior, and what the Python package's modules make of it in float64. */
interface Golden {
  readonly latentShape: number[];
  readonly network: { readonly type: string };
  readonly unit: number;
  readonly start: Readonly<Record<"mean" | "diagonal" | "factor" | "shift" | "scale", Packed>>;
  readonly weights: Readonly<Record<string, Packed>> | null;
  readonly sigma: number[];
  readonly x: Packed;
  readonly cotangent: Packed;
  readonly mean: Packed;
  readonly gradient: Packed;
}

const FIXTURES = join(import.meta.dirname, "../fixtures");
const GOLDENS = JSON.parse(readFileSync(join(FIXTURES, "torch-denoiser.json"), "utf8")) as Record<
  string,
  Golden
>;
const NAMES = Object.keys(GOLDENS);
/** DIEM_PYTHON may name another interpreter, such as that of a virtual environment. */
const PYTHON = process.env.DIEM_PYTHON ?? "python3";
const LOOKS = "import importlib.util, sys; print(all(map(importlib.util.find_spec, sys.argv[1:])))";
/** Whether Python has packages: it looks for them, for importing takes seconds. */
const hasAll = (...packages: string[]) =>
  spawnSync(PYTHON, ["-c", LOOKS, ...packages], { encoding: "utf8" }).stdout?.trim() === "True";
const PACKAGE = ["zarr", "onnxruntime"];

const unpack = ({ data, shape }: Packed) => float32(data, shape);
const unpackAll = (packed: Readonly<Record<string, Packed>>) =>
  Object.fromEntries(Object.entries(packed).map(([name, array]) => [name, unpack(array)]));
const double = ({ data, shape }: Packed) => hostArray("float64", shape, Float64Array.from(data));

/** Prints what Python reads of each run and iteration, or why it does not. */
const READS = `
import json, sys
from diem_prior.run import read_run

def read(*asked):
    try:
        run = read_run(*asked)
        return [run.iteration, run.schedule, run.range, sorted(run.weights or [])]
    except ValueError as error:
        return str(error)

print(json.dumps([read(*asked) for asked in json.loads(sys.argv[1])]))`;

/** Levels that are equal but for rounding. */
const closeTo = ({ sigmaMin, sigmaMax }: Schedule) => ({
  sigmaMin: expect.closeTo(sigmaMin, 9),
  sigmaMax: expect.closeTo(sigmaMax, 5),
});

/** A run folder with one prior: after the first iteration or, without weights, at the start. */
async function writeRun(path: string, { latentShape, network, unit, start, weights }: Golden): Promise<void> {
  const { type, ...sizes } = network;
  const config = mergeConfig(mergeConfig(defaultConfig(latentShape, 9), { network: { type } }), {
    network: sizes,
  });
  const observations = { path: "", checksum: "", count: 9, latentShape, operator: "mask" };
  mkdirSync(path);
  const run = await RunFolder.create(path, {
    ...{ name: "golden", createdBy: "", config, notes: [] },
    observations: { ...observations, range: [-9, 9] },
  });
  const { mean, diagonal, factor, shift, scale } = start;
  const gaussian = { mean: unpack(mean), diagonal: unpack(diagonal), factor: unpack(factor) };
  await run.beginIteration(0);
  await run.writeGaussian(gaussian, { shift: double(shift), scale: double(scale), unit, noise: 0.01 });
  if (weights) {
    await run.beginIteration(1);
    await run.writeWeights(1, unpackAll(weights));
  }
  const figures = { seconds: {}, loss: [], eStep: {}, mStep: {}, metrics: {} };
  for (const iteration of weights ? [0, 1] : [0]) await run.writeFigures({ iteration, ...figures });
}

describe("the denoiser of a run folder", () => {
  let folder = "";
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "diem-torch-"));
    for (const name of NAMES) await writeRun(join(folder, name), GOLDENS[name]!);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const model = async (name: string) => {
    const run = await RunFolder.open(join(folder, name));
    return await run.readModel(await run.bestIteration());
  };
  const python = (...words: string[]) => {
    const env = { ...process.env, PYTHONPATH: join(import.meta.dirname, "../../python") };
    return execFileSync(PYTHON, words, { cwd: folder, env, encoding: "utf8", stdio: "pipe" });
  };

  test.each(NAMES)(
    "%s: means and products with the Jacobian are PyTorch's at levels from .01 to 30",
    async (name) => {
      const golden = GOLDENS[name]!;
      const feeds = {
        x: unpack(golden.x),
        sigma: float32(golden.sigma),
        cotangent: unpack(golden.cotangent),
      };
      const prior = await model(name);
      const denoiser = acrossBorder(modelDenoiser(prior), borderOf(prior.coordinates, golden.latentShape));
      const found = await evaluate(feeds, ({ x, sigma, cotangent }) => {
        const mean = denoiser(x, sigma);
        const [gradient] = vjp([mean], [x], [cotangent]);
        return { mean, gradient: gradient! };
      });
      expectAllClose(found.mean, unpack(golden.mean), { relative: 1e-5 });
      expectAllClose(found.gradient, unpack(golden.gradient), { relative: 1e-4 });
    },
  );

  test.skipIf(!hasAll(...PACKAGE))(
    "Python reads what diem reads, and refuses what is damaged or not there",
    async () => {
      await writeRun(join(folder, "damaged"), GOLDENS.vector!);
      const file = join(folder, "damaged/iterations/0001/weights.safetensors");
      const bytes = readFileSync(file);
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(file, bytes);
      const asked = [["vector"], ["vector", 0], ["vector", 2], ["damaged"]];
      const [best, start, beyond, damaged] = JSON.parse(python("-c", READS, JSON.stringify(asked)));
      const { schedule, range } = describeModel(await model("vector"));
      const names = Object.keys(GOLDENS.vector!.weights!).sort();
      expect(best).toEqual([1, start[1], range, names]);
      expect(start).toEqual([0, { ...schedule, ...closeTo(schedule) }, range, []]);
      expect(beyond).toMatch(/expected an iteration from 0 to 1, got 2/);
      expect(damaged).toMatch(/expected the bytes that were written, found others/);
    },
    60_000,
  );

  test.skipIf(!hasAll("torch", ...PACKAGE))(
    "PyTorch's module of each is equal in float32",
    () => {
      const found = JSON.parse(python(join(FIXTURES, "torch-denoiser.py"), folder)) as Record<
        string,
        Packed[]
      >;
      for (const name of NAMES) {
        const [mean, gradient] = found[name]!.map(unpack) as HostArray<"float32">[];
        expectAllClose(mean!, unpack(GOLDENS[name]!.mean), { relative: 1e-5 });
        expectAllClose(gradient!, unpack(GOLDENS[name]!.gradient), { relative: 1e-4 });
      }
    },
    120_000,
  );

  /** The blocks of the manual on the Gaussian of a run, whose posteriors are exact; `check` follows the last line. */
  const manual = (name: string, check: string) => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/python.md"), "utf8");
    const block = page.split(`## In ${name}\n`)[1]!.split("```python\n")[1]!.split("```")[0]!;
    const script = `import torch\ntorch.manual_seed(0)\n${block}\n${check}`;
    return JSON.parse(python("-c", script).trim().split("\n").at(-1)!) as Record<string, number[]>;
  };
  const writeGaussianRun = async () => {
    const packed = (data: number[], ...shape: number[]) => ({ data, shape: shape.length > 0 ? shape : [4] });
    const start = {
      ...{ mean: packed([1, -1, 0, 2]), diagonal: packed([0.3, 0.3, 0.3, 0.3]) },
      ...{ factor: packed([1, 2, -1, 0.5], 4, 1), shift: packed([0, 0, 0, 0]), scale: packed([1, 1, 1, 1]) },
    };
    mkdirSync(join(folder, "runs"), { recursive: true });
    rmSync(join(folder, "runs/vectors"), { recursive: true, force: true });
    const { network } = GOLDENS.vector!;
    const empty = { weights: null, sigma: [], x: packed([]), cotangent: packed([]) };
    const golden = {
      latentShape: [4],
      network,
      unit: 1,
      start,
      ...empty,
      mean: packed([]),
      gradient: packed([]),
    };
    await writeRun(join(folder, "runs/vectors"), golden);
  };

  test.skipIf(!hasAll("azula", ...PACKAGE))(
    "azula draws the posterior of a run's prior: the manual's block",
    async () => {
      await writeGaussianRun();
      const { errors } = manual(
        "azula",
        `
import json
gaussian = prior.denoiser.gaussian
S = torch.diag(gaussian.diagonal) + gaussian.factor @ gaussian.factor.T
gain = S @ A.T @ torch.linalg.inv(A @ S @ A.T + 0.01 * torch.eye(2))
mean, deviation = gaussian.mean + gain @ (y - A @ gaussian.mean), (S - gain @ A @ S).diagonal().sqrt()
print(json.dumps({"errors": ((draws.mean(0) - mean) / deviation).tolist()}))`,
      );
      // Of 256 draws: four standard errors, and a tenth of a deviation for the steps.
      for (const error of errors!) expect(Math.abs(error)).toBeLessThan(4 / 16 + 0.1);
    },
    240_000,
  );

  test.skipIf(!hasAll("deepinv", ...PACKAGE))(
    "deepinv draws from a run's prior given y: the manual's block",
    async () => {
      await writeGaussianRun();
      const { misfit, spread } = manual(
        "deepinv",
        `
import json
misfit = (draws @ A.T - y).square().mean() / 0.01
print(json.dumps({"misfit": [misfit.item()], "spread": draws.std(0).tolist()}))`,
      );
      // Its guidance is approximate: the misfit is near the noise's variance, and what y does not see stays wide.
      expect(misfit![0]).toBeGreaterThan(0.3);
      expect(misfit![0]).toBeLessThan(3);
      expect(Math.max(...spread!)).toBeGreaterThan(0.3);
    },
    240_000,
  );
});
