import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import { SAMPLERS, type SamplerName } from "../../src/diffusion/samplers.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import type { Tensor } from "../../src/graph/index.ts";
import golden from "../fixtures/samplers.json" with { type: "json" };
import { expectAllClose } from "../matchers.ts";
import { evaluate } from "./support.ts";

interface Packed {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
const unpack = ({ data, shape }: Packed) => float32(data, shape);

const { mean, diagonal, factor } = golden.gaussian;
const gaussian = { mean: unpack(mean), diagonal: unpack(diagonal), factor: unpack(factor) };
const [, B, N] = golden.noise.shape as [number, number, number];
// Their walk ends at sigmaMin; ours adds a step to zero.
const levels = noiseLevels(golden, golden.steps).slice(0, -1);

test.each(golden.results)(
  "$name with eta = $eta walks as azula's does, step for step",
  async ({ name, eta, x }) => {
    const method = SAMPLERS[name as SamplerName](eta === null ? {} : { eta });
    const noises = levels
      .slice(1)
      .map((_, k) => [`z${k}`, float32(golden.noise.data.slice(k * B * N, (k + 1) * B * N), [B, N])]);
    const sigmas = levels.map((sigma, k) => [`sigma${k}`, float32([sigma])]);
    const feeds = { x: unpack(golden.x), ...Object.fromEntries([...noises, ...sigmas]) };
    const found = await evaluate<string, "x_0">(feeds, (tensors) => {
      let state: ReturnType<typeof method.step> = { x_s: tensors.x!, memory: [] };
      for (let k = 0; k + 1 < levels.length; k++) {
        const [sigma_t, sigma_s] = [tensors[`sigma${k}`] as Tensor, tensors[`sigma${k + 1}`] as Tensor];
        const z = method.noises > 0 ? [tensors[`z${k}`] as Tensor] : [];
        state = method.step(
          gaussianDenoiser(gaussian),
          state.x_s,
          { sigma_r: sigma_t, sigma_t, sigma_s },
          z,
          state.memory,
        );
      }
      return { x_0: state.x_s };
    });
    expect(x).toHaveLength(B * N);
    // float32 against float64, from values near 40 down to 1.
    expectAllClose(found.x_0.data, x, { relative: 1e-5 });
  },
);
