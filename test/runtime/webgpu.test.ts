import { describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { denoisingLoss } from "../../src/diffusion/loss.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { compileSampler } from "../../src/diffusion/sample.ts";
import { ddpm } from "../../src/diffusion/samplers/ddpm.ts";
import { input, mul, scalar, type Tensor, vjp } from "../../src/graph/index.ts";
import { mlp } from "../../src/nn/mlp.ts";
import type { Network } from "../../src/nn/network.ts";
import { constantWeights, initialize } from "../../src/nn/parameters.ts";
import { unet } from "../../src/nn/unet.ts";
import { mmps } from "../../src/posterior/mmps.ts";
import { compile } from "../../src/runtime/compile.ts";
import { expectAllClose } from "../matchers.ts";

/*
 * Where there is a GPU with a Vulkan driver, everything that a run is made of gives what the CPU gives. A software driver does:
 * VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json npx vitest run test/runtime/webgpu.test.ts
 */
const B = 2;
const threads = 1;
const failure = await multiply("webgpu").then(
  () => undefined,
  (error: Error) => error.message,
);

async function multiply(device: "cpu" | "webgpu"): Promise<void> {
  const x = input([2]);
  const program = await compile({ inputs: { x }, outputs: { y: mul(x, 2) } }, { device, threads });
  await program.release();
}

const NETWORKS: Record<string, Network> = {
  mlp: mlp({ features: 5, width: 32, blocks: 2, embedding: 16 }),
  "U-Net": unet({
    shape: [1, 16, 16],
    channels: [16, 32],
    blocks: [1, 1],
    heads: [0, 2],
    embedding: 16,
    patch: 2,
    dropout: 0,
  }),
};

function normals(seed: number, shape: readonly number[]): HostArray<"float32"> {
  const data = new Float32Array(sizeOf(shape));
  new Rng(seed).fillNormal(data);
  return float32(data, shape);
}

test.skipIf(failure === undefined)("without a GPU the error says what to install", () => {
  expect(failure).toMatch(/^compile: expected a GPU .* found none .*libvulkan1.* or use the device cpu\.$/);
});

describe.skipIf(failure !== undefined).each(Object.entries(NETWORKS))("on a GPU, %s:", (_, network) => {
  const weights = initialize(network.parameters, new Rng(0));
  const denoiser: Denoiser = precondition(network, constantWeights(weights));
  const shape = [B, ...network.shape];
  const mask = float32(
    normals(1, shape).data.map((value) => Number(value > 0)),
    shape,
  );
  const onBoth = async (run: (device: "cpu" | "webgpu") => Promise<HostArray[]>) => {
    const [expected, found] = [await run("cpu"), await run("webgpu")];
    for (const [k, { data }] of found.entries())
      expectAllClose(data as Float32Array, expected[k]!.data as Float32Array, {
        relative: 1e-3,
        absolute: 1e-4,
      });
  };
  const evaluate = async (
    inputs: Record<string, Tensor>,
    outputs: Record<string, Tensor>,
    feeds: Record<string, HostArray>,
  ) =>
    await onBoth(async (device) => {
      const program = await compile({ inputs, outputs }, { device, threads });
      const found = await program.run(feeds);
      await program.release();
      return Object.values(found);
    });

  test("a posterior mean with two solver steps is that of the CPU", async () => {
    const [x, y, m, sigma] = [input(shape), input(shape), input(shape), input([1])];
    const measurement = { operator: (u: Tensor) => mul(u, m), y, variance: 1e-2 };
    const mean = mmps(denoiser, measurement, { cgSteps: 2 })(x, sigma);
    const feeds = { x: normals(2, shape), y: normals(3, shape), m: mask, sigma: float32([0.7]) };
    await evaluate({ x, y, m, sigma }, { mean }, feeds);
  }, 120_000);

  test("the gradient of the loss is that of the CPU", async () => {
    const inputs = Object.fromEntries(network.parameters.map(({ name, shape }) => [name, input(shape)]));
    const [x, noise, sigma] = [input(shape), input(shape), input([B])];
    const loss = denoisingLoss(precondition(network, inputs), x, sigma, noise);
    const gradients = vjp([loss], Object.values(inputs), [scalar(1)]);
    const outputs = Object.fromEntries(gradients.map((gradient, k) => [`g${k}`, gradient]));
    const feeds = { x: normals(4, shape), noise: normals(5, shape), sigma: float32([0.3, 2]) };
    await evaluate({ ...inputs, x, noise, sigma }, { loss, ...outputs }, { ...weights, ...feeds });
  }, 120_000);

  test("samples of a loop inside the engine are those of the CPU", async () => {
    await onBoth(async (device) => {
      const spec = { sampler: ddpm(), batch: B, shape: network.shape, turns: 2, denoiser: () => denoiser };
      const sampler = await compileSampler(spec, { device, threads });
      const request = { streams: [new Rng(1), new Rng(2)], levels: [10, 1, 0.1, 0] };
      const { samples } = await sampler.draw(request);
      await sampler.release();
      return [samples];
    });
  }, 120_000);
});
