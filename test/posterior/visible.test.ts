import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { normalDenoiser } from "../../src/diffusion/denoiser.ts";
import { gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import { constant, mul, reshape } from "../../src/graph/index.ts";
import { mask } from "../../src/operators/kinds/mask.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { compileTwisted, type TwistedSpec } from "../../src/posterior/particles/tds.ts";
import { randomGaussian } from "../diffusion/dense.ts";
import { streams } from "../diffusion/moments.ts";
import { normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

describe("twisted sampling of masked images", () => {
  const side = 28;
  const conditions = { mask: [side, side], y: [side, side] };
  const masked = (entries?: number): TwistedSpec => ({
    shape: [side, side],
    batch: 8,
    conditions,
    denoiser: normalDenoiser,
    measurement: ({ mask: m, y }) => ({ operator: mask(m!), y: y!, variance: 0.01 }),
    ...(entries && { visible: { seen: ({ mask: m }) => reshape(m!, [-1, side ** 2]), entries } }),
  });
  /** Every 4th pixel of one image, every 7th of the other. */
  const seen = float32(
    Array.from({ length: 2 * side ** 2 }, (_, i) => Number(i % (i < side ** 2 ? 4 : 7) === 0)),
    [2, side, side],
  );
  const y = float32(
    normals(new Rng(61), [2, side, side]).data.map((z, i) => z * seen.data[i]!),
    seen.shape,
  );
  const request = {
    streams: streams(62, 2),
    levels: noiseLevels({ sigmaMin: 0.01, sigmaMax: 10 }, 6),
    particles: 4,
    conditions: { mask: seen, y },
  };

  test("draws with up to 256 visible of 784 pixels, close to what was seen", async () => {
    const sampler = await compileTwisted(masked(196));
    const { samples, breakdown } = await sampler.draw(request);
    await sampler.release();
    expect(Array.from(breakdown)).toEqual([0, 0]);
    let [squares, count] = [0, 0];
    samples.data.forEach((value, i) => {
      if (!seen.data[i]) return;
      squares += (value - y.data[i]!) ** 2;
      count++;
    });
    // Noise of deviation 0.1; the standard error of the mean square of 308 is 8 percent of it. Exact draws are at y / 1.01.
    expect(Math.sqrt(squares / count)).toBeLessThan(0.15);
  });

  test("refuses more visible pixels than told", async () => {
    const sampler = await compileTwisted(masked(195));
    await expect(sampler.draw(request)).rejects.toThrow(
      "at most 195 entries of an observation expected to be seen, found 196. Raise visible.entries.",
    );
    await sampler.release();
    await expect(compileTwisted(masked())).rejects.toThrow("at most 256 measurements expected, found 784");
  });

  test("draws what it would with the hidden entries", async () => {
    const [N, M] = [3, 4];
    const prior = gaussianDenoiser(randomGaussian(new Rng(63), N, 1, 4));
    const own = { keep: float32([1, 0, 0, 1, 0, 1, 1, 0], [2, M]), A: normals(new Rng(64), [2, M, N]) };
    const observed = normals(new Rng(65), [2, M]);
    observed.data.forEach((z, i) => {
      observed.data[i] = z * own.keep.data[i]!;
    });
    const pattern = constant(normals(new Rng(66), [1, M, 1]));
    const draw = async (visible: Pick<TwistedSpec, "visible">) => {
      const sampler = await compileTwisted({
        ...visible,
        shape: [N],
        batch: 4,
        conditions: { A: [M, N], keep: [M], y: [M] },
        denoiser: prior,
        measurement: ({ A, keep, y }) => ({
          operator: (x) => mul(matrix(A!)(x), keep!),
          y: y!,
          variance: { diagonal: 0.1, factor: mul(pattern, reshape(keep!, [-1, M, 1])) },
        }),
      });
      const found = await sampler.draw({ ...request, conditions: { ...own, y: observed } });
      await sampler.release();
      return found;
    };
    const all = await draw({});
    // One place more than entries that are seen.
    const some = await draw({ visible: { seen: ({ keep }) => keep!, entries: 3 } });
    expectAllClose(some.particles.data, all.particles.data, { relative: 1e-4 });
    expectAllClose(some.weights, all.weights, { relative: 1e-3 });
    // The hidden zeros have the density of their noise.
    const zeros = 2 * -0.5 * Math.log(2 * Math.PI * 0.1);
    some.logEvidence.forEach((value, i) => {
      expect(value + zeros).toBeCloseTo(all.logEvidence[i]!, 2);
    });
  });
});
