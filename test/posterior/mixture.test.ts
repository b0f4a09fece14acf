import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Gaussian } from "../../src/diffusion/gaussian.ts";
import { type Mixture, mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { compileSampler } from "../../src/diffusion/sample.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import {
  COVARIANCES,
  type MethodOptions,
  POSTERIOR_NAMES,
  POSTERIORS,
  type PosteriorName,
} from "../../src/posterior/methods.ts";
import { randomAxes } from "../diffusion/mixtures.ts";
import { streams } from "../diffusion/moments.ts";
import { normals } from "../diffusion/support.ts";

// Pieces of planes in 16 dimensions: at middle noise levels V[x | x_t] has correlations of both signs, and the rows of a
// dense A, of length near 1, add them up.
const [N, M, K, B] = [16, 2, 24, 64];
const rng = new Rng(61);
const scaled = (factor: number, shape: number[]) => {
  const { data } = normals(rng, shape);
  return float32(
    data.map((z) => factor * z),
    shape,
  );
};
const mixture: Mixture = {
  weights: float32(new Array(K).fill(1 / K)),
  means: scaled(0.25, [K, N]),
  variances: float32(
    Array.from({ length: K * N }, (_, i) => (i % N < 2 ? 1 : 1e-4)),
    [K, N],
  ),
  axes: randomAxes(rng, K, N),
};
/** Its mean and covariance, nearly. */
const gaussian: Gaussian = {
  mean: float32(new Float32Array(N)),
  diagonal: float32(new Float32Array(N).fill(2 / N + 0.0625)),
  factor: float32(new Float32Array(N), [N, 1]),
};
const A = scaled(1 / 4, [B, M, N]);
const y = scaled(0.4, [B, M]);

const CASES: [title: string, PosteriorName, MethodOptions][] = POSTERIOR_NAMES.flatMap((name) =>
  name === "mmps"
    ? COVARIANCES.map((covariance): [string, PosteriorName, MethodOptions] => [
        `mmps, ${covariance}`,
        name,
        { covariance, gaussian, cgSteps: 4 },
      ])
    : [[name, name, { cgSteps: 4 }]],
);
/**
 * Draws of the prior are within about 5 of its centre, posteriors of rare y somewhat beyond, and methods that put one
 * Gaussian in place of several modes reach 10: what diverges passes any bound.
 */
const FAR = 20;

describe("a mixture in 16 dimensions seen through dense matrices of random signs", () => {
  test.each(CASES)("keeps the draws of %s near the prior", async (_, name, options) => {
    const denoiser = mixtureDenoiser(mixture);
    const sampler = await compileSampler({
      sampler: "ddpm",
      shape: [N],
      batch: B,
      conditions: { A: [M, N], y: [M] },
      denoiser: ({ A, y }, observe) =>
        POSTERIORS[name].make(
          denoiser,
          { operator: matrix(A!), y: y!, variance: 1e-4 },
          { ...options, observe },
        ),
    });
    for (const steps of [8, 64]) {
      const levels = noiseLevels({ sigmaMin: 0.003, sigmaMax: 10 }, steps);
      const { samples } = await sampler.draw({ streams: streams(62, B), levels, conditions: { A, y } });
      const norms = Array.from({ length: B }, (_, b) =>
        Math.hypot(...samples.data.subarray(b * N, (b + 1) * N)),
      );
      expect(Math.max(...norms)).toBeLessThan(FAR);
      expect(Math.min(...norms)).toBeGreaterThan(0.01);
    }
    await sampler.release();
  });
});
