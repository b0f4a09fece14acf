import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { compileSampler, type SamplerSpec } from "../../src/diffusion/sample.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import { add, mul } from "../../src/graph/index.ts";
import { streams } from "./moments.ts";

const levels = noiseLevels({ sigmaMin: 0.01, sigmaMax: 10 }, 9);

/** Denoised means that tell who made them: c + x / 8. */
const marked =
  (c: number): Denoiser =>
  (x) =>
    add(mul(x, 0.125), c);

async function draw(change: Partial<SamplerSpec>, mean?: readonly number[]) {
  const spec = { sampler: "ddpm", shape: [2], batch: 3, denoiser: () => marked(1), ...change } as const;
  const sampler = await compileSampler(spec, { threads: 1 });
  const steps: number[] = [];
  const request = { streams: streams(1, 2), levels, onStep: (done: number) => steps.push(done) };
  const { samples } = await sampler.draw({ ...request, ...(mean && { mean: float32(mean) }) });
  await sampler.release();
  return { data: Array.from(samples.data), steps };
}

describe("a sampler with another denoiser below a level", () => {
  test.each([1, 4, 16])("gives the same bytes where both are the same, %d steps a run", async (turns) => {
    const alone = await draw({ turns });
    const staged = await draw({ turns, below: { sigma: 0.3, denoiser: () => marked(1) } });
    expect(staged.data).toEqual(alone.data);
  });

  test("takes it in exactly the steps from levels below", async () => {
    const below = (sigma: number) => draw({ below: { sigma, denoiser: () => marked(3) } });
    const [first, other] = [await draw({}), await draw({ denoiser: () => marked(3) })];
    expect((await below(0)).data).toEqual(first.data);
    expect((await below(0.01)).data).toEqual(first.data);
    expect((await below(11)).data).toEqual(other.data);
    // Only the last step, which returns c + x / 8, is the other's.
    (await below(0.0101)).data.forEach((value, i) => {
      expect(value).toBeCloseTo(first.data[i]! + 2, 5);
    });
  });

  test("ends a run of the engine where the denoiser changes, and carries the method's memory on", async () => {
    const same = () => marked(1);
    const staged = await draw({ sampler: "multistep", turns: 16, below: { sigma: 0.3, denoiser: same } });
    const above = levels.filter((level) => level >= 0.3).length;
    expect(staged.steps).toEqual([above, levels.length - 1]);
    expect(staged.data).toEqual((await draw({ sampler: "multistep" })).data);
  });
});

describe("a mean for each sample", () => {
  test("moves the start of its own sample alone", async () => {
    const common = await draw({}, [5, 6]);
    const own = await draw({}, [5, 6, -5, -6]);
    expect(own.data.slice(0, 2)).toEqual(common.data.slice(0, 2));
    expect(own.data.slice(2)).not.toEqual(common.data.slice(2));
    expect((await draw({}, [5, 6, 5, 6])).data).toEqual(common.data);
  });

  test("must fit one sample or all of them", async () => {
    await expect(draw({}, [1, 2, 3])).rejects.toThrow(
      "sampling: mean must have the size of one sample, 2, or of 2, got 3.",
    );
  });
});
