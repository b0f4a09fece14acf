import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { isErrorOf } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { flatten } from "../../src/core/tree.ts";
import { gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { compileSampler, type SamplerSpec } from "../../src/diffusion/sample.ts";
import { samplerProgram } from "../../src/diffusion/sampler-program.ts";
import { SAMPLERS, type SamplerName } from "../../src/diffusion/samplers.ts";
import { noiseLevels, VE_DEFAULTS } from "../../src/diffusion/schedule.ts";
import type { Observe } from "../../src/diffusion/solver-status.ts";
import { add, input, loop, mean, mul, reshape, sub, type Tensor, vjp } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { mlp } from "../../src/nn/mlp.ts";
import { constantWeights, initialize } from "../../src/nn/parameters.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import { compile } from "../../src/runtime/compile.ts";
import { expectAllClose } from "../matchers.ts";
import { randomGaussian } from "./dense.ts";
import { streams } from "./moments.ts";
import { normals } from "./support.ts";

const NAMES = Object.keys(SAMPLERS) as SamplerName[];
const levels = noiseLevels({ sigmaMin: 0.01, sigmaMax: 10 }, 10);
const one = { threads: 1 };

const network = mlp({ features: 5, width: 32, blocks: 2, embedding: 8 });
const weights = constantWeights(initialize(network.parameters, new Rng(3)));
/** An MLP as the prior and MMPS around it: vector-Jacobian products inside the loop, weights outside. */
const posterior = (conditions: Readonly<Record<string, Tensor>>) =>
  mmps(
    precondition(network, weights),
    { operator: matrix(conditions.matrix!), y: conditions.y!, variance: 1e-2 },
    { cgSteps: 3 },
  );

const spec = (sampler: SamplerName, turns: number, batch: number): SamplerSpec => ({
  sampler,
  turns,
  batch,
  shape: [5],
  conditions: { matrix: [2, 5], y: [2] },
  denoiser: posterior,
});
const conditions = (count: number) => ({
  matrix: normals(new Rng(4), [count, 2, 5]),
  y: normals(new Rng(5), [count, 2]),
});

async function draw(of: SamplerSpec, count: number) {
  const sampler = await compileSampler(of, one);
  const steps: number[] = [];
  const drawn = await sampler.draw({
    streams: streams(6, count),
    levels,
    conditions: conditions(count),
    onStep: (done) => steps.push(done),
  });
  await sampler.release();
  return { ...drawn, steps };
}

describe("steps in a loop inside the engine", () => {
  test.each(NAMES)("of %s give the same bytes as one at a time", async (name) => {
    const alone = await draw(spec(name, 1, 3), 3);
    // 4 leaves a shorter last run (11 steps), 16 is more than there are.
    for (const turns of [4, 16]) {
      const looped = await draw(spec(name, turns, 3), 3);
      expect(looped.samples.data).toEqual(alone.samples.data);
    }
    expect(alone.samples.data.every(Number.isFinite)).toBe(true);
  });

  test("count in runs of the engine, the last one shorter", async () => {
    expect((await draw(spec("ddpm", 4, 2), 2)).steps).toEqual([4, 8, 11]);
    expect((await draw(spec("pc", 16, 2), 2)).steps).toEqual([11]);
  });

  test.each(NAMES)("of %s give a sample the same values in any batch size", async (name) => {
    const small = await draw(spec(name, 4, 3), 3);
    const large = await draw(spec(name, 4, 7), 3);
    // Kernels may add in another order for another batch size.
    expectAllClose(large.samples, small.samples, { relative: 1e-5 });
  });

  test("carry the sweep of a Gaussian's inverse, a loop within the loop", async () => {
    const gaussian = randomGaussian(new Rng(8), 4, 2, 10);
    const nested = (turns: number) =>
      compileSampler(
        { sampler: "heun", shape: [4], batch: 2, turns, denoiser: () => gaussianDenoiser(gaussian) },
        one,
      );
    const [outer, inner] = [await nested(1), await nested(8)];
    const request = () => ({ streams: streams(1, 2), levels });
    expect((await inner.draw(request())).samples.data).toEqual((await outer.draw(request())).samples.data);
    await Promise.all([outer.release(), inner.release()]);
  });

  test("hold the weights once, however many turns", () => {
    const size = (turns: number) => {
      const { inputs, outputs } = samplerProgram(spec("pc", turns, 3));
      return writeOnnx(flatten<Tensor>(inputs), flatten<Tensor>(outputs)).length;
    };
    expect(Math.abs(size(1000) - size(2))).toBeLessThan(64);
  });

  test("stop between runs when told to", async () => {
    const sampler = await compileSampler(spec("ddpm", 4, 2), one);
    const controller = new AbortController();
    const error = await sampler
      .draw({
        streams: streams(1, 2),
        levels,
        conditions: conditions(2),
        signal: controller.signal,
        onStep: () => controller.abort(),
      })
      .catch((reason: unknown) => reason);
    expect(isErrorOf(error, "AbortedError")).toBe(true);
    await sampler.release();
  });

  test.each([0, 1.5])("cannot be %d at a time", async (turns) => {
    await expect(compileSampler(spec("ddpm", turns, 2))).rejects.toThrow(
      `sampler: turns must be a whole number >= 1, got ${turns}.`,
    );
  });
});

describe("the status of the denoiser's solver", () => {
  /** A denoiser x_t / 2 whose "solver" reports mean(x_t) as residual, 2 products, and a breakdown above 0.5. */
  const reporting = (_: unknown, observe: Observe) => (x_t: Tensor) => {
    const residual = mean(x_t, [1]);
    observe({
      residual,
      steps: add(mul(residual, 0), 2),
      breakdown: mul(sub(residual, residual), 1),
    });
    return mul(x_t, 0.5);
  };

  test.each([1, 4])("is combined over steps and evaluations, %d steps at a time", async (turns) => {
    const sampler = await compileSampler(
      { sampler: "heun", shape: [2], batch: 3, turns, denoiser: reporting },
      one,
    );
    const mean = float32([3, 3]);
    const { status } = await sampler.draw({
      streams: streams(1, 2),
      levels: [1e-4, 5e-5, 2e-5, 1e-5, 0],
      mean,
    });
    await sampler.release();
    expect(status!.residual.shape).toEqual([2]);
    // The first evaluation sees x_1 near 3, the largest of all; 4 steps of 2 evaluations of 2 products.
    expectAllClose(status!.residual, [3, 3], { relative: 1e-4 });
    expect(Array.from(status!.steps.data)).toEqual([16, 16]);
    expect(Array.from(status!.breakdown.data)).toEqual([0, 0]);
  });

  test("keeps a breakdown of any step to its own sample", async () => {
    const broken =
      (conditions: Readonly<Record<string, Tensor>>, observe: Observe) => (x_t: Tensor, s: Tensor) => {
        const bad = reshape(conditions.bad!, [2]);
        // Only at the first level, 2, is breakdown positive: (s - 1) clipped by the later, smaller statuses' maximum.
        observe({ residual: mul(bad, 0), steps: mul(bad, 0), breakdown: mul(bad, sub(s, 1)) });
        return mul(x_t, 0);
      };
    const sampler = await compileSampler(
      { sampler: "ddpm", shape: [1], batch: 2, turns: 2, conditions: { bad: [1] }, denoiser: broken },
      one,
    );
    const { status } = await sampler.draw({
      streams: streams(1, 2),
      levels: [2, 1, 0.5, 0],
      conditions: { bad: float32([0, 1], [2, 1]) },
    });
    await sampler.release();
    expect(Array.from(status!.breakdown.data)).toEqual([0, 1]);
  });

  test("is absent where no solver reports", async () => {
    const { status } = await draw(spec("ddpm", 2, 2), 2);
    expect(status).toBeUndefined();
  });
});

test("conditions may have any names, also those of the program's own inputs", async () => {
  const names = ["x", "noise", "levels", "count", "steps", "x.next"];
  const sampler = await compileSampler(
    {
      sampler: "ddpm",
      shape: [1],
      batch: 1,
      turns: 2,
      conditions: Object.fromEntries(names.map((name) => [name, [1]])),
      denoiser: (given) => (x_t) => names.reduce((sum, name) => add(sum, given[name]!), mul(x_t, 0)),
    },
    one,
  );
  const fed = Object.fromEntries(names.map((name, k) => [name, float32([10 ** k], [1, 1])]));
  const { samples } = await sampler.draw({ streams: streams(1, 1), levels: [1, 0.5, 0], conditions: fed });
  await sampler.release();
  expect(Array.from(samples.data)).toEqual([111111]);
});

describe("a loop whose number of turns is fed", () => {
  const counted = () => {
    const [x, count] = [input([2]), input([], "int64")];
    const [y] = loop(count, [x], (_, [state]) => [mul(state!, 2)]);
    return { x, count, y: y! };
  };
  test("takes that many", async () => {
    const { x, count, y } = counted();
    const program = await compile({ inputs: { x, count }, outputs: { y } });
    for (const turns of [0, 1, 5]) {
      const fed = { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(turns)) } as const;
      const found = await program.run({ x: float32([1, 3]), count: fed });
      expect(Array.from(found.y!.data as Float32Array)).toEqual([2 ** turns, 3 * 2 ** turns]);
    }
    await program.release();
  });
  test("has no gradient, and says so", () => {
    const { x, y } = counted();
    expect(() => vjp([y], [x], [y])).toThrow(
      "vjp: a loop whose number of turns is a tensor has no gradient.",
    );
  });
  test("wants an int64 scalar", () => {
    expect(() => loop(input([2], "int64"), [input([1])], (_, states) => states)).toThrow(
      "loop: turns must be an integer >= 0 or an int64 scalar, got int64 [2].",
    );
  });
});

test("an MLP with MMPS is finite over the paper's whole range of levels", async () => {
  const sampler = await compileSampler(spec("pc", 16, 2), one);
  const { samples } = await sampler.draw({
    streams: streams(2, 2),
    levels: noiseLevels(VE_DEFAULTS, 32),
    conditions: conditions(2),
  });
  await sampler.release();
  expect(samples.data.every(Number.isFinite)).toBe(true);
});
