import { test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { constant, expand, mul, slice, type Tensor } from "../../src/graph/index.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { gaussianGuided } from "../../src/posterior/gaussian-guided.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import type { Measurement } from "../../src/posterior/posterior.ts";
import { randomGaussian } from "../diffusion/dense.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const [B, N, M] = [3, 8, 6];
const gaussian = randomGaussian(new Rng(1), N, 2, 4);
const A = normals(new Rng(2), [B, M, N]);
const inputs = { x: normals(new Rng(3), [B, N]), y: normals(new Rng(4), [B, M]) };
const row = (values: readonly number[]) => constant(float32(values, [1, M]));

/** Each entry of y in a unit of its own, u, from 1e-4 to 1e4. */
function inUnits(units: readonly number[], y: Tensor): Measurement {
  const operator = matrix(constant(A));
  return {
    operator: (x) => mul(operator(x), row(units)),
    y: mul(y, row(units)),
    variance: { diagonal: row(units.map((u) => 0.01 * u * u)), factor: constant(float32(units, [1, M, 1])) },
  };
}

test.each([
  ["mmps", (m: Measurement) => mmps(gaussianDenoiser(gaussian), m, { cgSteps: 3 })],
  ["gaussianGuided", (m: Measurement) => gaussianGuided(gaussianDenoiser(gaussian), m, gaussian, 3)],
])("%s does not depend on the units of y, however few its solver's steps", async (_, posterior) => {
  const { plain, mixed } = await evaluate(inputs, ({ x, y }) => {
    const sigma = constant(float32([0.5]));
    return {
      plain: posterior(inUnits([1, 1, 1, 1, 1, 1], y))(x, sigma),
      mixed: posterior(inUnits([1e-4, 1e4, 1, 1e2, 1e-2, 30], y))(x, sigma),
    };
  });
  expectAllClose(mixed, plain, { relative: 1e-4 });
});

test("entries that are alike stay as they are", async () => {
  const { one, alike } = await evaluate(inputs, ({ x, y }) => {
    const sigma = constant(float32([0.5]));
    const A = expand(constant(float32([1, 1, -1, 1, 1, -1, -1, 1, 1], [1, 3, 3])), [B, 3, 3]);
    const mean = (variance: number | Tensor) =>
      mmps(
        gaussianDenoiser(randomGaussian(new Rng(1), 3, 2, 4)),
        { operator: matrix(A), y: slice(y, 1, 0, 3), variance },
        { cgSteps: 2 },
      )(slice(x, 1, 0, 3), sigma);
    return { one: mean(0.01), alike: mean(constant(float32([0.01, 0.01, 0.01], [1, 3]))) };
  });
  expectAllClose(alike, one, { relative: 1e-4 });
});
