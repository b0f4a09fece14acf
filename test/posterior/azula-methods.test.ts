import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { type Gaussian, gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import type { Tensor } from "../../src/graph/index.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { diffpir } from "../../src/posterior/diffpir.ts";
import { dps } from "../../src/posterior/dps.ts";
import { pigdm } from "../../src/posterior/pigdm.ts";
import { tmpd } from "../../src/posterior/tmpd.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

interface Case {
  readonly sigma_t: number;
  readonly sigma_s: number;
  readonly x_t: number[];
  readonly y: number[];
  readonly dps: number[];
  readonly pigdm: number[];
  readonly tmpd: number[];
  readonly diffpir: number[];
}
const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/posterior-methods.json", import.meta.url), "utf8"),
) as Record<"mean" | "diagonal" | "factor" | "A", number[]> &
  Record<"variance" | "zeta" | "lambda", number> & { readonly cases: readonly Case[] };

const [N, M] = [4, 2];
const gaussian: Gaussian = {
  mean: float32(fixture.mean),
  diagonal: float32(fixture.diagonal),
  factor: float32(fixture.factor, [N, 2]),
};
// float32 against float64, relative to the largest entry of x_s or the mean.
const FLOAT32 = 2e-5;

test.each(fixture.cases)("at sigma $sigma_t posterior methods agree with azula's", async (one) => {
  const { sigma_t, sigma_s, x_t, y } = one;
  const denoiser = gaussianDenoiser(gaussian);
  const feeds: Record<"x" | "sigma" | "y" | "A", HostArray<"float32">> = {
    x: float32(x_t, [1, N]),
    sigma: float32([sigma_t]),
    y: float32(y, [1, M]),
    A: float32(fixture.A, [1, M, N]),
  };
  // An ancestral step takes the share tau of a denoiser's change into x_s, where azula's DPS adds all of it.
  const tau = 1 - (sigma_s / sigma_t) ** 2;
  const found = await evaluate(feeds, ({ x, sigma, y, A }) => {
    const measurement = (variance: number) => ({ operator: matrix(A), y, variance });
    const at = (method: (x_t: Tensor, sigma_t: Tensor) => Tensor) => method(x, sigma);
    return {
      prior: at(denoiser),
      dps: at(dps(denoiser, measurement(0), { zeta: fixture.zeta / tau })),
      pigdm: at(pigdm(denoiser, measurement(0))),
      tmpd: at(tmpd(denoiser, measurement(fixture.variance))),
      diffpir: at(diffpir(denoiser, measurement(fixture.variance), { lambda: fixture.lambda })),
    };
  });
  const step = (x_hat: ArrayLike<number>, kept: number) =>
    Array.from(x_hat, (value, i) => value + kept * (x_t[i]! - value));
  expectAllClose(step(found.dps.data, 1 - tau), one.dps, { relative: FLOAT32 });
  // Without noise, azula adds J' A^+ r to a deterministic step; the denoiser's change is (1 + sigma_t^2) times that.
  const prior = Array.from(found.prior.data);
  const added = prior.map((value, i) => (found.pigdm.data[i]! - value) / (1 + sigma_t ** 2));
  const expected = step(prior, sigma_s / sigma_t).map((value, i) => one.pigdm[i]! - value);
  expectAllClose(added, expected, { relative: FLOAT32, absolute: FLOAT32 });
  expectAllClose(found.tmpd.data, one.tmpd, { relative: FLOAT32 });
  expectAllClose(found.diffpir.data, one.diffpir, { relative: FLOAT32 });
  expect(added.some((value) => Math.abs(value) > 1e-3)).toBe(sigma_t < 50);
});
