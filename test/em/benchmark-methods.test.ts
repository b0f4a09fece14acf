import { describe, expect, test } from "vitest";
import { float32, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { BENCHMARK_METHODS, solverStepsOf } from "../../src/em/evaluation/benchmark-methods.ts";
import { BENCHMARK_TASKS, benchmarkTask } from "../../src/em/evaluation/benchmark-tasks.ts";
import { imageQualities, meanQuality } from "../../src/em/evaluation/image-quality.ts";
import { watchMemory } from "../../src/em/evaluation/resident-memory.ts";
import { constant, input, matmul, mul, square, type Tensor } from "../../src/graph/index.ts";
import { reachable } from "../../src/graph/traverse.ts";
import { posteriorDenoiser } from "../../src/inference/posterior-denoiser.ts";
import { ssim } from "../../src/metrics/ssim.ts";

const N = 3;
const normals = (seed: number, shape: readonly number[]) => {
  const rng = new Rng(seed);
  const size = shape.reduce((a, b) => a * b);
  return float32(
    Float32Array.from({ length: size }, () => rng.normal()),
    shape,
  );
};

/** Products with W in the graph of a posterior denoiser whose network is (x W)^2: one for each pass through it. */
function passes(name: string, solverSteps: number): number {
  const { choice } = BENCHMARK_METHODS.find((method) => method.name === name)!;
  const W = constant(normals(0, [N, N]));
  const mask = input([2, N]);
  const measurement = { operator: (x: Tensor) => mul(mask, x), y: input([2, N]), variance: 0.1 };
  const gaussian = { mean: normals(1, [N]), diagonal: float32([1, 1, 1]), factor: normals(2, [N, 1]) };
  const posterior = posteriorDenoiser(
    (x) => square(matmul(x, W)),
    measurement,
    { ...choice!, cgSteps: solverSteps },
    gaussian,
  );
  const mean = posterior(input([2, N]), input([1]));
  return reachable([mean]).filter(({ inputs }) => inputs.includes(W)).length;
}

describe("methods of the posterior benchmark", () => {
  const guided = BENCHMARK_METHODS.filter(({ choice }) => choice);
  test.each(
    guided.flatMap((method) =>
      solverStepsOf(method, [1, 3, 5]).map((steps) => [method.name, steps ?? 1] as const),
    ),
  )("%s with %i solver steps passes through the network as often as it says", (name, steps) => {
    const { products } = guided.find((method) => method.name === name)!;
    expect(passes(name, steps)).toBe(1 + products(steps));
  });
});

describe("tasks of the posterior benchmark", () => {
  test("are those of 256 x 256 pixels in [-1, 1] at that size and range", () => {
    const tasks = BENCHMARK_TASKS.map((name) => benchmarkTask(name, [3, 256, 256], [-1, 1]));
    expect(tasks.map(({ corruption }) => corruption)).toEqual([
      { name: "box", size: [128, 128], margin: 16 },
      { name: "mask", deleted: 0.98 },
      { name: "motion-blur", size: 61, intensity: 0.5 },
      { name: "average-pool", size: 4 },
    ]);
    expect(tasks.map(({ noise }) => noise)).toEqual([1, 0.01, 0.1, 0.1]);
  });

  test("scale with the image and its range", () => {
    const of = (name: string) => benchmarkTask(name, [1, 28, 28], [-2, 2]);
    expect(of("box").corruption).toEqual({ name: "box", size: [14, 14], margin: 1 });
    expect(of("motion").corruption).toMatchObject({ size: 7 });
    expect(of("motion").noise).toBeCloseTo(0.2, 12);
    expect(benchmarkTask("motion", [1, 8, 8], [0, 1]).corruption).toMatchObject({ size: 3 });
  });

  test("refuse latents that are no images, and name the nearest task", () => {
    expect(() => benchmarkTask("box", [5], [-1, 1])).toThrow("latents must be images [C, H, W], got [5]");
    expect(() => benchmarkTask("boxes", [1, 8, 8], [-1, 1])).toThrow('Did you mean "box"?');
  });
});

test("image quality by hand: one pixel of 64 is off by 1 of a range of 4, and what leaves the range is limited", () => {
  const truth = float32(new Float32Array(64).fill(2), [1, 1, 8, 8]);
  const images = float32(
    Float32Array.from(truth.data, (_, i) => (i === 0 ? 1 : 7)),
    [1, 1, 8, 8],
  );
  const { psnr, ssim } = meanQuality(imageQualities(images, truth, [-2, 2]));
  expect(psnr).toBeCloseTo(10 * Math.log10(16 * 64), 10);
  expect(ssim).toBeUndefined();
  const large = normals(3, [2, 1, 12, 12]);
  expect(meanQuality(imageQualities(large, large, [-2, 2]))).toEqual({
    equalPairs: 2,
    ssim: expect.closeTo(1, 12),
  });
});

test("image quality is that of values mapped to [0, 1], and stays when images, truth and range move together", () => {
  const [images, truth] = [normals(4, [2, 3, 12, 13]), normals(5, [2, 3, 12, 13])];
  const moved = (scale: number, shift: number) => {
    const move = (x: number) => scale * x + shift;
    const [a, b] = [images, truth].map(({ data, shape }) => float32(data.map(move), shape));
    return meanQuality(imageQualities(a!, b!, [move(-2), move(2)]));
  };
  const unit = [images, truth].map(({ data, shape }) =>
    float32(
      data.map((x) => Math.min(Math.max((x + 2) / 4, 0), 1)),
      shape,
    ),
  );
  const ssims = [0, 1].map((i) => {
    const [x, y] = unit.map((set) => float32(rows(set, i, i + 1).data, [3, 12, 13]));
    return ssim(x!, y!, 1);
  });
  for (const [scale, shift] of [
    [1, 0],
    [0.25, 0.5],
    [1, 3],
    [50, -20],
  ] as const) {
    const found = moved(scale, shift);
    // float32 keeps seven digits of the values.
    expect(found.ssim).toBeCloseTo((ssims[0]! + ssims[1]!) / 2, 5);
    expect(found.psnr).toBeCloseTo(moved(1, 0).psnr!, 4);
  }
});

test("the memory watch sees memory that is held at the time of the look", () => {
  const watch = watchMemory();
  const held = new Uint8Array(64e6).fill(1);
  const peak = watch.peak();
  watch.stop();
  expect(held[1]).toBe(1);
  expect(peak).toBeGreaterThan(watch.before);
});
