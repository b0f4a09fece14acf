import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { ddim } from "../../src/diffusion/samplers/ddim.ts";
import { ddpm } from "../../src/diffusion/samplers/ddpm.ts";
import { noiseLevels, type Schedule, SPACINGS, sigmaAt } from "../../src/diffusion/schedule.ts";
import { constant, mul } from "../../src/graph/index.ts";
import { expectAllClose } from "../matchers.ts";
import { evaluate, normals } from "./support.ts";

/** float64 through exp, log, tan or a seventh power of values of order ten. */
const FLOAT64 = 1e-12;

describe.each(SPACINGS)("noise levels of spacing %s", (spacing) => {
  const ranges = [
    [1e-3, 1e2],
    [1e-2, 30],
    [0.5, 0.6],
  ] as const;
  test.each(ranges)("increase from %d to %d, both exactly", (sigmaMin, sigmaMax) => {
    const schedule = { sigmaMin, sigmaMax, spacing };
    expect(sigmaAt(schedule, 0)).toBe(sigmaMin);
    expect(sigmaAt(schedule, 1)).toBe(sigmaMax);
    const levels = noiseLevels(schedule, 1000);
    expect(levels).toHaveLength(1002);
    for (const [k, level] of levels.entries()) if (k > 0) expect(level).toBeLessThan(levels[k - 1]!);
    expect(levels.at(-1)).toBe(0);
  });
});

describe("spacings", () => {
  const range = { sigmaMin: 0.02, sigmaMax: 80 };
  const times = [0, 0.125, 0.3, 0.5, 0.9, 1];
  /** Second differences of a scale over equal steps of time, which vanish where the scale is linear in time. */
  const bends = (schedule: Schedule, scale: (sigma: number) => number) =>
    times.map((t) => {
      const [a, b] = [scale(sigmaAt(schedule, 0)), scale(sigmaAt(schedule, 1))];
      return scale(sigmaAt(schedule, t)) - ((1 - t) * a + t * b);
    });
  const zeros = times.map(() => 0);

  test("of a variance-preserving diffusion are those of a linear beta", () => {
    // [Ho20] in continuous time: abar(u) = exp(-(0.1 u + 19.9 u^2 / 2)), at u from 0 to 1.
    const level = (u: number) => Math.sqrt(Math.exp(0.1 * u + 9.95 * u ** 2) - 1);
    const vp: Schedule = { sigmaMin: level(0.001), sigmaMax: level(1), spacing: "vp" };
    const found = times.map((t) => sigmaAt(vp, t));
    const expected = times.map((t) => level(0.001 + 0.999 * t));
    found.forEach((sigma, k) => {
      expectAllClose([sigma / expected[k]!], [1], { relative: 1e-10 }); // exp(B) - 1 loses digits at small B
    });
  });
  test("of a cosine diffusion have abar = cos^2 of an angle linear in time", () => {
    const angle = (sigma: number) => Math.acos(Math.sqrt(1 / (1 + sigma ** 2)));
    expectAllClose(bends({ ...range, spacing: "cosine" }, angle), zeros, { absolute: FLOAT64 });
  });
  test("of EDM are linear in the seventh root", () => {
    const root = (sigma: number) => sigma ** (1 / 7);
    expectAllClose(bends({ ...range, spacing: "edm" }, root), zeros, { absolute: FLOAT64 });
  });
  test("of the paper are geometric, which is the default", () => {
    expectAllClose(bends(range, Math.log), zeros, { absolute: FLOAT64 });
    expect(sigmaAt({ ...range, spacing: "geometric" }, 0.3)).toBe(sigmaAt(range, 0.3));
  });
});

describe("a variance-preserving diffusion is the same process in other units:", () => {
  // abar at a later and an earlier time, x'_t, the denoised mean and a normal; all rows are independent cases.
  const cases = [
    [0.01, 0.05],
    [0.3, 0.5],
    [0.9, 0.95],
    [0.99, 0.9999],
  ] as const;
  const N = 3;
  const [x, x_hat, z] = [1, 2, 3].map((seed) => normals(new Rng(seed), [cases.length, N])) as [
    ReturnType<typeof normals>,
    ReturnType<typeof normals>,
    ReturnType<typeof normals>,
  ];
  const sigma = (abar: number) => Math.sqrt((1 - abar) / abar);

  /** Our step from x'_t / alpha_t, whatever the denoiser says, back in the units of x'. */
  async function ours(method: ReturnType<typeof ddpm>): Promise<number[]> {
    const denoiser: Denoiser = (x_t) => mul(constant(float32(x_hat.data, x_t.shape)), 1);
    const feeds = {
      x: float32(
        x.data.map((value, i) => value / Math.sqrt(cases[Math.floor(i / N)]![0])),
        x.shape,
      ),
      z,
      t: float32(cases.map(([abar]) => sigma(abar))),
      s: float32(cases.map(([, abar]) => sigma(abar))),
    };
    const { next } = await evaluate(feeds, ({ x, z, t, s }) => ({
      next: method.step(denoiser, x, { sigma_r: t, sigma_t: t, sigma_s: s }, [z], []).x_s,
    }));
    return Array.from(next.data, (value, i) => value * Math.sqrt(cases[Math.floor(i / N)]![1]));
  }
  const theirs = (step: (abar_t: number, abar_s: number, i: number) => number) =>
    Array.from(x.data, (_, i) => {
      const [abar_t, abar_s] = cases[Math.floor(i / N)]!;
      return step(abar_t, abar_s, i);
    });

  test("the step of DDPM", async () => {
    // [Ho20, eq. 7]: the mean and variance of q(x_s | x_t, x_0 = x_hat), with alpha = abar_t / abar_s and beta = 1 - alpha.
    const expected = theirs((abar_t, abar_s, i) => {
      const alpha = abar_t / abar_s;
      const beta = 1 - alpha;
      const mean =
        (Math.sqrt(abar_s) * beta * x_hat.data[i]!) / (1 - abar_t) +
        (Math.sqrt(alpha) * (1 - abar_s) * x.data[i]!) / (1 - abar_t);
      return mean + Math.sqrt(((1 - abar_s) / (1 - abar_t)) * beta) * z.data[i]!;
    });
    expectAllClose(await ours(ddpm()), expected);
  });

  test.each([0.001, 0.5, 1])("the step of DDIM at eta = %d", async (eta) => {
    // [Song21, eq. 12, 16]: the noise that x_hat implies, scaled to leave room for fresh noise.
    const expected = theirs((abar_t, abar_s, i) => {
      const implied = (x.data[i]! - Math.sqrt(abar_t) * x_hat.data[i]!) / Math.sqrt(1 - abar_t);
      const fresh = eta * Math.sqrt((1 - abar_s) / (1 - abar_t)) * Math.sqrt(1 - abar_t / abar_s);
      return (
        Math.sqrt(abar_s) * x_hat.data[i]! + Math.sqrt(1 - abar_s - fresh ** 2) * implied + fresh * z.data[i]!
      );
    });
    expectAllClose(await ours(ddim({ eta })), expected);
  });
});
