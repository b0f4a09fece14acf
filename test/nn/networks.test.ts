import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { constant, expand, input, vjp } from "../../src/graph/index.ts";
import { reachable } from "../../src/graph/traverse.ts";
import { layerNorm, noiseEmbedding, silu } from "../../src/nn/layers.ts";
import { MLP_DEFAULTS, mlp } from "../../src/nn/mlp.ts";
import { makeDropout } from "../../src/nn/network.ts";
import { constantWeights, countParameters, initialize } from "../../src/nn/parameters.ts";
import { patchify, type UnetConfig, unet, unpatchify } from "../../src/nn/unet.ts";
import { evaluate, normals, relativeError } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

// float32 has 24 bits, and each of these takes a handful of operations.
const FLOAT32 = 1e-6;

const CIFAR: UnetConfig = {
  shape: [3, 32, 32],
  channels: [128, 256, 384],
  blocks: [5, 5, 5],
  heads: [0, 4, 0],
  embedding: 256,
  patch: 1,
  dropout: 0.1,
};
const MRI: UnetConfig = {
  shape: [1, 320, 320],
  channels: [128, 256, 384, 512],
  blocks: [3, 3, 3, 3],
  heads: [0, 0, 0, 4],
  embedding: 256,
  patch: 4,
  dropout: 0.1,
};
const TINY: UnetConfig = {
  shape: [1, 4, 4],
  channels: [4, 8],
  blocks: [1, 1],
  heads: [0, 2],
  embedding: 8,
  patch: 1,
  dropout: 0.5,
};

describe("parameter counts", () => {
  test("the MLP of five features has 362 693", () => {
    expect(countParameters(mlp({ features: 5, ...MLP_DEFAULTS }).parameters)).toBe(362_693);
  });
  test("the U-Net of the reference code for CIFAR-10 has 57 560 451", () => {
    expect(countParameters(unet(CIFAR).parameters)).toBe(57_560_451);
  });
  test("with the paper's placement of heads it has 61 827 971", () => {
    expect(countParameters(unet({ ...CIFAR, heads: [0, 0, 4] }).parameters)).toBe(61_827_971);
  });
  test("the U-Net for MRI has 77 648 912", () => {
    expect(countParameters(unet(MRI).parameters)).toBe(77_648_912);
  });
  test("no two parameters share a name", () => {
    const names = unet(MRI).parameters.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("layers", () => {
  test("SiLU is x sigmoid(x)", async () => {
    const { y } = await evaluate({ x: float32([0, 1, -20]) }, ({ x }) => ({ y: silu(x) }));
    expectAllClose(y.data, [0, 1 / (1 + Math.exp(-1)), -20 / (1 + Math.exp(20))], { relative: FLOAT32 });
  });

  test("layer normalization centres and scales one axis, with 1e-5 under the root", async () => {
    const x = float32([1, 5, 0, 0.002, 2, 2], [3, 2]);
    const { y } = await evaluate({ x }, ({ x }) => ({ y: layerNorm(x, -1) }));
    const small = 1e-3 / Math.sqrt(1e-6 + 1e-5);
    const large = 2 / Math.sqrt(4 + 1e-5);
    expectAllClose(y.data, [-large, large, -small, small, 0, 0], { relative: FLOAT32 });
  });

  test("the noise embedding starts at frequency 1 and ends at 1e-4, sines first", async () => {
    const logSigma = float32([Math.log(1e-3), Math.log(100)]);
    const { e } = await evaluate({ logSigma }, ({ logSigma }) => ({ e: noiseEmbedding(logSigma, 6) }));
    const rows = [Math.log(1e-3), Math.log(100)].map((level) => {
      const phases = [level, level * 1e-2, level * 1e-4];
      return [...phases.map(Math.sin), ...phases.map(Math.cos)];
    });
    expectAllClose(e.data, rows.flat(), { relative: FLOAT32 });
  });
});

describe("patches", () => {
  test("patchify and unpatchify undo each other", async () => {
    const x = normals(new Rng(1), [2, 3, 8, 12]);
    const { back, patches } = await evaluate({ x }, ({ x }) => ({
      patches: patchify(x, 4),
      back: unpatchify(patchify(x, 4), 4),
    }));
    expect(patches.shape).toEqual([2, 48, 2, 3]);
    expect(back.data).toEqual(x.data);
  });

  test("channels are ordered by row, column, then colour", async () => {
    // Two colours of one 2 x 2 patch.
    const x = float32([11, 12, 21, 22, -11, -12, -21, -22], [1, 2, 2, 2]);
    const { y } = await evaluate({ x }, ({ x }) => ({ y: patchify(x, 2) }));
    expect(y.shape).toEqual([1, 8, 1, 1]);
    expect(Array.from(y.data)).toEqual([11, -11, 12, -12, 21, -21, 22, -22]);
  });
});

describe("sides that do not divide", () => {
  const CONFIG = { ...TINY, patch: 2 };
  const whole = unet({ ...CONFIG, shape: [1, 8, 8] });
  const weights = constantWeights(initialize(whole.parameters, new Rng(2)));
  const logSigma = float32([0.5]);
  const N = 2;
  const sides: [number, number][] = [
    [5, 7],
    [8, 6],
    [7, 8],
  ];
  const places = (H: number, W: number) =>
    Array.from({ length: N * 64 }, (_, i) => {
      const [n, row, column] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
      const isInside = row < H && column < W;
      return { isInside, from: (n * H + Math.min(row, H - 1)) * W + Math.min(column, W - 1) };
    });

  test.each(sides)("%d x %d: values and gradients are those of repeated edges", async (H, W) => {
    const network = unet({ ...CONFIG, shape: [1, H, W] });
    const at = places(H, W);
    const x = normals(new Rng(3), [N, 1, H, W]);
    const v = normals(new Rng(4), [N, 1, H, W]);
    const repeated = float32(
      at.map(({ from }) => x.data[from]!),
      [N, 1, 8, 8],
    );
    const widened = float32(
      at.map(({ isInside, from }) => (isInside ? v.data[from]! : 0)),
      [N, 1, 8, 8],
    );
    const expected = await evaluate({ x: repeated, v: widened, logSigma }, ({ x, v, logSigma }) => {
      const y = whole.apply(weights, x, logSigma);
      return { y, g: vjp([y], [x], [v])[0]! };
    });
    const found = await evaluate({ x, v, logSigma }, ({ x, v, logSigma }) => {
      const y = network.apply(weights, x, logSigma);
      return { y, g: vjp([y], [x], [v])[0]! };
    });
    const cut = expected.y.data.filter((_, i) => at[i]!.isInside);
    const added = new Float32Array(N * H * W);
    at.forEach(({ from }, i) => {
      added[from]! += expected.g.data[i]!;
    });
    expectAllClose(found.y, float32(cut, [N, 1, H, W]));
    expectAllClose(found.g, float32(added, [N, 1, H, W]));
  });

  test.each([
    [1, 1],
    [1, 9],
    [3, 2],
    [13, 5],
  ])("three levels take %d x %d", (H, W) => {
    const config = { ...CONFIG, channels: [4, 4, 4], blocks: [1, 1, 1], heads: [0, 0, 0], shape: [2, H, W] };
    const network = unet(config);
    const given = constantWeights(initialize(network.parameters, new Rng(2)));
    expect(network.apply(given, input([3, 2, H, W]), input([1])).shape).toEqual([3, 2, H, W]);
  });

  test("cost nothing where they divide: no row or column is added or cut", () => {
    const y = whole.apply(weights, input([N, 1, 8, 8]), input([1]));
    const onSides = reachable([y]).filter(({ op, attributes }) => {
      const axes: readonly number[] = attributes.axes ?? [attributes.axis];
      return ["Concat", "Slice"].includes(op.name) && axes.some((axis) => axis >= 2);
    });
    expect(onSides).toEqual([]);
  });
});

describe("dropout", () => {
  test("zeroes what the mask leaves out and scales the rest", async () => {
    const x = float32([1, 2, 3, 4]);
    const m = float32([1, 0, 1, 0]);
    const { y } = await evaluate({ x, m }, ({ x, m }) => ({ y: makeDropout(0.2, () => m)(x) }));
    expectAllClose(y.data, [1.25, 0, 3.75, 0], { relative: FLOAT32 });
  });

  test("of rate zero asks for no mask", () => {
    const x = input([3]);
    const drop = makeDropout(0, () => {
      throw new Error("no mask expected");
    });
    expect(drop(x)).toBe(x);
  });

  test("asks the U-Net's residual blocks for one mask each, and for none in attention", async () => {
    const network = unet(TINY);
    const weights = constantWeights(initialize(network.parameters, new Rng(2)));
    const shapes: (readonly number[])[] = [];
    const drop = makeDropout(TINY.dropout, (shape) => {
      shapes.push(shape);
      return expand(input([]), shape);
    });
    network.apply(weights, input([3, 1, 4, 4]), input([3]), drop);
    expect(shapes).toEqual([
      [3, 4, 4, 4],
      [3, 8, 2, 2],
      [3, 8, 2, 2],
      [3, 4, 4, 4],
    ]);
  });

  test("changes the U-Net's output through its masks, and a mask of (1 - rate) changes nothing", async () => {
    const network = unet(TINY);
    const weights = constantWeights(initialize(network.parameters, new Rng(2)));
    const feeds = { x: normals(new Rng(3), [2, 1, 4, 4]), logSigma: float32([0.5]) };
    const uniform = (value: number) =>
      makeDropout(TINY.dropout, (shape) => expand(constant(float32([value])), shape));
    const found = await evaluate(feeds, ({ x, logSigma }) => ({
      plain: network.apply(weights, x, logSigma),
      undone: network.apply(weights, x, logSigma, uniform(1 - TINY.dropout)),
      dropped: network.apply(weights, x, logSigma, uniform(0)),
    }));
    expectAllClose(found.undone.data, found.plain.data, { relative: FLOAT32 });
    expect(relativeError(found.dropped.data, found.plain.data)).toBeGreaterThan(1e-3);
  });
});

describe("mistakes in a network's configuration", () => {
  const cases: [string, Partial<UnetConfig>, string][] = [
    [
      "vectors",
      { shape: [5] },
      "network: a U-Net needs signals [C, L], images [C, H, W] or volumes [C, D, H, W], got [5]. Use the MLP.",
    ],
    [
      "levels that disagree",
      { blocks: [1] },
      "network: channels, blocks and heads must have one entry per level, got 2, 1 and 2. Set network.channels, network.blocks and network.heads together.",
    ],
    ["heads that do not divide", { heads: [0, 3] }, "network: 3 heads do not divide 8 channels on level 1."],
    ["an odd embedding", { embedding: 7 }, "network: embedding must be an even number >= 4, got 7."],
    ["dropout of everything", { dropout: 1 }, "network: dropout must lie in [0, 1), got 1."],
  ];
  test.each(cases)("%s", (_name, change, message) => {
    expect(() => unet({ ...TINY, ...change })).toThrow(message);
  });
  test("an embedding of the MLP that leaves one frequency", () => {
    expect(() => mlp({ features: 2, width: 4, blocks: 1, embedding: 2 })).toThrow(
      "network: embedding must be an even number >= 4, got 2.",
    );
  });
});
