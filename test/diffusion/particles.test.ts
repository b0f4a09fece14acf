import { describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { compileParticleSampler, compileSampler, type Sampler } from "../../src/diffusion/sample.ts";
import type { SamplerMethod } from "../../src/diffusion/samplers/method.ts";
import { SAMPLERS } from "../../src/diffusion/samplers.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import { constant, matmul, mul, type Tensor } from "../../src/graph/index.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import { particleGuidance } from "../../src/posterior/particles/particle-guidance.ts";

/** .8 N(-1, .1^2) + .2 N(1, .1^2) along the first axis, N(0, .3^2) along the second. */
const PRIOR = mixtureDenoiser({
  weights: float32([0.8, 0.2]),
  means: float32([-1, 0, 1, 0], [2, 2]),
  variances: float32([0.01, 0.09, 0.01, 0.09], [2, 2]),
});
/** y = x_1 + x_2 + n leaves both clusters possible. */
const A = float32([1, 1], [2, 1]);
const [Y, VARIANCE] = [0.3, 0.25];
const DRAWS = 2048;

/** P(x_1 > 0 | y), and the mean of x_1 + x_2 in that cluster. */
function exact() {
  const S = 0.01 + 0.09 + VARIANCE;
  const likelihood = (mean: number) => Math.exp(-((Y - mean) ** 2) / 2 / S);
  const [left, right] = [0.8 * likelihood(-1), 0.2 * likelihood(1)];
  return { share: right / (left + right), mean: 1 + (0.1 * (Y - 1)) / S };
}

const measured = ({ y }: Readonly<Record<string, Tensor>>) => ({
  operator: (x: Tensor) => matmul(x, constant(A)),
  y: y!,
  variance: VARIANCE,
});
const shared = { shape: [2], batch: 256, turns: 40, conditions: { y: [1] } };

async function drawAll(sampler: Sampler, count = DRAWS): Promise<HostArray<"float32">> {
  const levels = noiseLevels({ sigmaMin: 0.01, sigmaMax: 10, spacing: "geometric" }, 32);
  const all = new Float32Array(count * 2);
  for (let first = 0; first < count; first += sampler.batch) {
    const n = Math.min(sampler.batch, count - first);
    const streams = Array.from({ length: n }, (_, i) => new Rng(1).split(first + i));
    const conditions = { y: float32(new Float32Array(n).fill(Y), [n, 1]) };
    all.set((await sampler.draw({ streams, levels, conditions })).samples.data, first * 2);
  }
  await sampler.release();
  return float32(all, [count, 2]);
}

function momentsOf({ data }: HostArray<"float32">) {
  const right = Array.from({ length: data.length / 2 }, (_, i) => i).filter((i) => data[2 * i]! > 0);
  const sums = right.map((i) => data[2 * i]! + data[2 * i + 1]!);
  return { share: right.length / (data.length / 2), mean: sums.reduce((a, b) => a + b, 0) / sums.length };
}

const particles = (sampler: "multistep" | "ddpm" | SamplerMethod, count: number) =>
  compileParticleSampler({
    ...shared,
    sampler,
    particles: count,
    guidance: (conditions) => particleGuidance(PRIOR, measured(conditions)),
  });

describe("particles", () => {
  // Standard error of the share of 2048 draws: sqrt(.2 .8 / 2048) = .009; of the mean in the cluster, .3 / sqrt(400) = .015.
  test.each(["multistep", "ddpm"] as const)(
    "of %s find the shares of clusters that moment matching mistakes",
    async (name) => {
      const { share, mean } = exact();
      const plain = await compileSampler({
        ...shared,
        sampler: "multistep",
        denoiser: (conditions) => mmps(PRIOR, measured(conditions), { cgSteps: 3 }),
      });
      const alone = momentsOf(await drawAll(plain));
      const found = momentsOf(await drawAll(await particles(name, 16)));
      expect(Math.abs(alone.share - share)).toBeGreaterThan(0.05);
      expect(Math.abs(found.share - share)).toBeLessThan(0.03);
      expect(Math.abs(found.mean - mean)).toBeLessThan(0.06);
    },
  );

  test("a draw depends on its own stream, not on its neighbours, nor on the steps that one run takes", async () => {
    const whole = await drawAll(await particles("multistep", 4), 8);
    const few = await compileParticleSampler({
      ...{ ...shared, batch: 3, turns: 5 },
      sampler: "multistep",
      particles: 4,
      guidance: (conditions) => particleGuidance(PRIOR, measured(conditions)),
    });
    for (const [i, value] of (await drawAll(few, 8)).data.entries())
      expect(value).toBeCloseTo(whole.data[i]!, 4);
  });

  test("weights that are not finite end the draw", async () => {
    const sampler = await compileParticleSampler({
      ...shared,
      sampler: "multistep",
      particles: 4,
      guidance: (conditions) => {
        const guide = particleGuidance(PRIOR, measured(conditions));
        return (x_t, sigma_t) => {
          const found = guide(x_t, sigma_t);
          return { ...found, logTwist: mul(found.logTwist, Number.NaN) };
        };
      },
    });
    await expect(drawAll(sampler, 4)).rejects.toThrow("not finite");
  });

  test("a sampler whose steps have no density is refused", async () => {
    await expect(particles(SAMPLERS.heun({}), 4)).rejects.toThrow(/density, which a step of "heun" lacks/);
    await expect(particles(SAMPLERS.multistep({ eta: 0 }), 4)).rejects.toThrow("density");
  });
});
