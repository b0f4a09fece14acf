import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { observationsInMemory } from "../../src/data/observations/observation-arrays.ts";
import { gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { drawAll } from "../../src/inference/draw-source.ts";
import { exactPosterior } from "../../src/inference/exact.ts";
import type { Model } from "../../src/inference/model.ts";

/** N(0, 1) on images of 2 x 2 pixels, said to lie in [-0.5, 0.5]: y = 0.9 lies beyond. */
const gaussian = {
  mean: float32(new Float32Array(4)),
  diagonal: float32(new Float32Array(4).fill(1)),
  factor: float32([], [4, 0]),
};
const model: Model = {
  denoiser: gaussianDenoiser(gaussian),
  network: { shape: [1, 2, 2], parameters: [], dropoutRate: 0, apply: (_, x) => x },
  parameters: undefined,
  gaussian,
  base: "gaussian",
  coordinates: {
    shift: { dtype: "float64", shape: [4], data: new Float64Array(4) },
    scale: { dtype: "float64", shape: [4], data: new Float64Array(4).fill(1) },
    unit: 1,
    noise: 2e-2, // of the mean of four entries 1e-2
  },
  schedule: { sigmaMin: 1e-3, sigmaMax: 4, spacing: "geometric" },
  limits: [-0.5, 0.5],
};
const N = 16;
const of = (
  data: Parameters<typeof observationsInMemory>[0]["data"],
  operator: { readonly name: string },
  M: number,
) =>
  observationsInMemory({
    y: float32(new Float32Array(N * M).fill(0.9), [N, 1, Math.sqrt(M), Math.sqrt(M)]),
    data,
    operator,
    latentShape: [1, 2, 2],
    noiseVariance: 1e-4,
  });
const masked = of({ mask: float32(new Float32Array(N * 4).fill(1), [N, 1, 2, 2]) }, { name: "mask" }, 4);
const pooled = of({}, { name: "average-pool", size: 2 } as { readonly name: string }, 1);

describe("exact draws", () => {
  const draw = async (observations: typeof masked) => {
    await using source = exactPosterior(model, observations, { threads: 1 });
    const rng = new Rng(0);
    return (await drawAll(source, [0, N], { stream: (index) => rng.split(index) })).data;
  };

  test("of masks stay inside the limits", async () => {
    for (const value of await draw(masked)) expect(Math.abs(value)).toBeLessThanOrEqual(0.5);
  });

  test("of operators that mix entries agree with their measurements", async () => {
    const x = await draw(pooled);
    for (let i = 0; i < N; i++) {
      const mean = (x[4 * i]! + x[4 * i + 1]! + x[4 * i + 2]! + x[4 * i + 3]!) / 4;
      expect(Math.abs(mean - 0.9)).toBeLessThan(0.05); // five deviations of the noise
    }
  });
});
