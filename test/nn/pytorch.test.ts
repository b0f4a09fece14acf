import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { mul, sub, vjp } from "../../src/graph/index.ts";
import { type MlpConfig, mlp } from "../../src/nn/mlp.ts";
import type { Network } from "../../src/nn/network.ts";
import { ADAM, adamCorrection, adamStep } from "../../src/nn/optimizer.ts";
import {
  checkParameters,
  flatten,
  type Parameters,
  sliceWeights,
  unflatten,
} from "../../src/nn/parameters.ts";
import { type UnetConfig, unet } from "../../src/nn/unet.ts";
import { evaluate } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

interface Packed {
  readonly shape: number[];
  readonly data: number[];
}
interface Case<Config> {
  readonly config: Config;
  readonly x: Packed;
  readonly logSigma: Packed;
  readonly cotangent: Packed;
  readonly output: Packed;
  readonly gradient: Packed;
  readonly weights: Record<string, Packed>;
  readonly gradients: Record<string, Packed>;
}
interface Fixture {
  readonly mlp: Case<MlpConfig>;
  readonly unet: Case<Omit<UnetConfig, "dropout">>;
  readonly adam: { learningRate: number } & Record<"start" | "target" | "curvature" | "path", Packed>;
}

const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/pytorch-nn.json", import.meta.url), "utf8"),
) as Fixture;
const unpack = ({ data, shape }: Packed) => float32(data, shape);

// float32 against float64 through about thirty layers, each adding a few units of 6e-8.
const NETWORK_TOLERANCE = 1e-5;
// Twenty steps, each with a rounding of 6e-8 of values near 1.
const ADAM_TOLERANCE = 2e-6;

const NETWORKS: { name: string; network: Network; golden: Case<unknown> }[] = [
  { name: "MLP", network: mlp(fixture.mlp.config), golden: fixture.mlp },
  { name: "U-Net", network: unet({ ...fixture.unet.config, dropout: 0.1 }), golden: fixture.unet },
];

/**
 * Softmax leaves of the values' gradient a hundredth for queries and keys, but all of its rounding: on processors without AVX-512 some
 * 2e-7 of it.
 */
function termsOf({ gradients }: Case<unknown>, name: string): number {
  const values = gradients[name.replace(/(query|key)\.weight$/, "value.weight")]!;
  return Math.hypot(...values.data);
}

describe.each(NETWORKS)("the $name", ({ network, golden }) => {
  const weights: Parameters = Object.fromEntries(
    Object.entries(golden.weights).map(([name, value]) => [name, unpack(value)]),
  );
  const specs = network.parameters;

  test("has the parameters of the PyTorch implementation, by name and shape", () => {
    expect(specs.map(({ name }) => name).sort()).toEqual(Object.keys(golden.weights).sort());
    expect(() => checkParameters(specs, weights, "fixture")).not.toThrow();
  });

  test("agrees with PyTorch in its output and in every gradient", async () => {
    const feeds = {
      x: unpack(golden.x),
      logSigma: unpack(golden.logSigma),
      cotangent: unpack(golden.cotangent),
      flat: flatten(specs, weights),
    };
    const found = await evaluate(feeds, ({ x, logSigma, cotangent, flat }) => {
      const output = network.apply(sliceWeights(specs, flat), x, logSigma);
      const [gradient, gradients] = vjp([output], [x, flat], [cotangent]);
      return { output, gradient: gradient!, gradients: gradients! };
    });
    expect(found.output.shape).toEqual(golden.output.shape);
    expectAllClose(found.output.data, golden.output.data, { relative: NETWORK_TOLERANCE });
    expectAllClose(found.gradient.data, golden.gradient.data, { relative: NETWORK_TOLERANCE });
    const gradients = unflatten(specs, found.gradients);
    for (const [name, { data }] of Object.entries(golden.gradients)) {
      const size = Math.hypot(...data);
      // A bias on the keys changes no softmax: its gradient is zero but for rounding.
      if (name.endsWith("key.bias")) expect(size).toBeLessThan(1e-12);
      const error = Math.hypot(...data.map((value, i) => value - gradients[name]!.data[i]!));
      expect(error, name).toBeLessThan(NETWORK_TOLERANCE * Math.max(size, termsOf(golden, name) / 10, 1));
    }
  });

  test("gives one noise level for the batch the same output as that level on each sample", async () => {
    const level = golden.logSigma.data[0]!;
    const feeds = {
      x: unpack(golden.x),
      shared: float32([level]),
      each: float32([level, level]),
      flat: flatten(specs, weights),
    };
    const { one, two } = await evaluate(feeds, ({ x, shared, each, flat }) => ({
      one: network.apply(sliceWeights(specs, flat), x, shared),
      two: network.apply(sliceWeights(specs, flat), x, each),
    }));
    expectAllClose(one.data, two.data, { relative: NETWORK_TOLERANCE });
  });
});

test("Adam follows torch.optim.Adam for twenty steps over curvatures from 1e-4 to 100", async () => {
  const { start, target, curvature, path, learningRate } = fixture.adam;
  let state = {
    parameters: unpack(start),
    first: float32(new Float32Array(7)),
    second: float32(new Float32Array(7)),
  };
  for (let step = 1; step <= 20; step++) {
    const [c1, c2] = adamCorrection(step);
    const feeds = {
      ...state,
      target: unpack(target),
      curvature: unpack(curvature),
      rate: float32([learningRate], []),
      c1: float32([c1], []),
      c2: float32([c2], []),
    };
    const next = await evaluate(feeds, ({ target, curvature, rate, c1, c2, ...now }) => {
      const gradient = mul(curvature, sub(now.parameters, target));
      const stepped = adamStep(now, gradient, rate, [c1, c2]);
      return { p: stepped.parameters, m: stepped.first, v: stepped.second };
    });
    state = { parameters: next.p, first: next.m, second: next.v };
    expectAllClose(state.parameters.data, path.data.slice(7 * (step - 1), 7 * step), {
      relative: ADAM_TOLERANCE,
    });
  }
  expect(ADAM).toEqual({ beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
});
