/** Denoisers of others as priors: the exact denoiser of a Gaussian, written as networks of each kind are, and read back. */
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { type Denoiser, perSample } from "../../src/diffusion/denoiser.ts";
import { gaussianDenoiser } from "../../src/diffusion/gaussian.ts";
import {
  ALPHA_BARS,
  PARAMETERIZATIONS,
  type Parameterization,
  preservingLevels,
} from "../../src/diffusion/parameterization.ts";
import {
  add,
  constant,
  div,
  gather,
  input,
  mul,
  reciprocal,
  reshape,
  sqrt,
  square,
  sub,
  type Tensor,
} from "../../src/graph/index.ts";
import { writePortable } from "../../src/graph/onnx/portable.ts";
import { type OnnxPriorOptions, onnxPrior } from "../../src/inference/onnx-prior.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const exact = gaussianDenoiser({
  mean: float32([0.5, -1, 2]),
  diagonal: float32([0.3, 0.3, 0.3]),
  factor: float32([1, 2, -1], [3, 1]),
});
const linear = ALPHA_BARS.linear!();

/** What a perfect network of a parameterization gives for x_t, in terms of the mean, the noise and the process. */
function outputOf(kind: Parameterization, x_t: Tensor, sigma: Tensor, root: Tensor): Tensor {
  const mean = exact(x_t, sigma);
  const s = perSample(sigma, x_t);
  const noise = div(sub(x_t, mean), s);
  switch (kind) {
    case "mean":
      return mean;
    case "noise":
      return noise;
    case "v":
      return sub(mul(root, noise), mul(mul(root, s), mean)); // sqrt(a) z - sqrt(1 - a) x
    case "score":
      return div(sub(0, noise), mul(root, s)); // - z / sqrt(1 - a); with root 1 that of the exploding process
  }
}

/** A network on x_t = x + sigma z. */
const exploding = (kind: Parameterization) =>
  writePortable((n) => {
    const [x, sigma] = [input([n, 3]), input([n])];
    return {
      inputs: { sigma, x },
      outputs: { h: outputOf(kind, x, sigma, perSample(div(sigma, sigma), x)) },
    };
  });

/** A network on sqrt(a) x + sqrt(1 - a) z, told the number of the step. */
const preserving = (kind: Parameterization) =>
  writePortable((n) => {
    const [sample, timestep] = [input([n, 3]), input([n], "int64")];
    const sigma = gather(constant(float32(preservingLevels(linear))), timestep);
    const root = perSample(reciprocal(sqrt(add(square(sigma), 1))), sample);
    const h = outputOf(kind, div(sample, root), sigma, root);
    return { inputs: { sample, timestep }, outputs: { h } };
  });

async function compare(bytes: Uint8Array, options: OnnxPriorOptions, sigmas: readonly number[]) {
  const { model } = onnxPrior(bytes, "network.onnx", options);
  expect(model.network.shape).toEqual([3]);
  const feeds = { x: normals(new Rng(1), [sigmas.length, 3]), sigma: float32(sigmas) };
  const both = (denoiser: Denoiser) => evaluate(feeds, ({ x, sigma }) => ({ mean: denoiser(x!, sigma!) }));
  const [found, expected] = [await both(model.denoiser!), await both(exact)];
  expectAllClose(found.mean, expected.mean, { relative: 2e-5 });
  return model;
}

describe("a denoiser of others", () => {
  test.each(PARAMETERIZATIONS.filter((kind) => kind !== "v"))(
    "that predicts the %s at noise levels",
    async (kind) => {
      const model = await compare(
        exploding(kind),
        { parameterization: kind, levels: [0.01, 20] },
        [0.01, 0.5, 3, 20],
      );
      expect(model.schedule).toEqual({ sigmaMin: 0.01, sigmaMax: 20, spacing: "geometric" });
    },
  );

  test.each(PARAMETERIZATIONS)(
    "that predicts the %s at steps of a variance-preserving process",
    async (kind) => {
      const levels = preservingLevels(linear);
      const steps = [0, 200, 500, 999].map((t) => levels[t]!);
      const options = { parameterization: kind, alphaBar: linear };
      const model = await compare(preserving(kind), options, steps);
      expect(model.schedule.sigmaMax).toBe(levels.at(-1));
    },
  );

  test("names its inputs where they are alike", async () => {
    const bytes = writePortable((n) => {
      const [a, b] = [input([n, 1]), input([n, 1])];
      return { inputs: { a, b }, outputs: { h: mul(a, reshape(b, [n, 1])) } };
    });
    const options = { parameterization: "mean", levels: [0.1, 1] } as const;
    expect(() => onnxPrior(bytes, "m.onnx", options)).toThrow(
      "found inputs a and b alike. Name one of them.",
    );
    const { model } = onnxPrior(bytes, "m.onnx", { ...options, inputs: { x: "b" } });
    const feeds = { x: float32([3], [1, 1]), sigma: float32([2]) };
    const { mean } = await evaluate(feeds, ({ x, sigma }) => ({ mean: model.denoiser!(x!, sigma!) }));
    expect(mean.data[0]).toBe(6);
  });

  test.each([
    [{}, "found nothing about it. Give its parameterization: mean, noise, v or score"],
    [
      { parameterization: "v", levels: [0.1, 1] },
      'expected parameterization "v" with a variance-preserving process',
    ],
    [{ parameterization: "mean" }, "expected the noise levels that the network was trained for"],
    [{ parameterization: "mean", levels: [1, 1] }, "0 < sigmaMin < sigmaMax expected"],
    [{ parameterization: "mean", levels: [0.1, 1], latentShape: [4] }, "expected a network for latents [4]"],
    [
      { parameterization: "mean", levels: [0.1, 1], inputs: { x: "y" } },
      "expected an input called y, found sigma, x",
    ],
    [
      { parameterization: "noise", alphaBar: float32([0.5, 0.6]) },
      "that fall, all in (0, 1), found 0.5, 0.6",
    ],
  ] as const)("is refused with a remedy: %j", (options, message) => {
    expect(() => onnxPrior(exploding("mean"), "m.onnx", options)).toThrow(message);
  });

  test.each([
    ["{", "metadata diem: expected a JSON object"],
    ['{"format":"diem-onnx","version":9}', "diem.version: expected 1, found 9"],
    [
      '{"format":"diem-onnx","version":1,"what":"denoiser","latentShape":[1e9]}',
      "diem.latentShape: expected positive",
    ],
    [
      '{"format":"diem-onnx","version":1,"what":"model"}',
      "diem.what: expected one of denoiser, posterior, sampler",
    ],
  ])("whose metadata are damaged is refused: %s", (text, message) => {
    const bytes = writePortable(
      (n) => {
        const [x, sigma] = [input([n, 3]), input([n])];
        return { inputs: { x, sigma }, outputs: { mean: exact(x, sigma) } };
      },
      { diem: text },
    );
    expect(() => onnxPrior(bytes, "m.onnx")).toThrow(message);
  });
});
