import { expect, test } from "vitest";
import { float32, hostArray } from "../../../src/core/array.ts";
import { Rng } from "../../../src/core/random.ts";
import { sizeOf } from "../../../src/core/shape.ts";
import { fromUser, toUser } from "../../../src/data/observations/coordinates.ts";
import { normalBase } from "../../../src/diffusion/base.ts";
import { buildNetwork, defaultConfig, mergeConfig } from "../../../src/em/config/config.ts";
import { augment, augmentationNumbers, drawAugmentation } from "../../../src/em/m-step/augmentations.ts";
import { lossGraph } from "../../../src/em/m-step/loss-graph.ts";
import { input } from "../../../src/graph/index.ts";
import { constantWeights, initialize } from "../../../src/nn/parameters.ts";
import { compile } from "../../../src/runtime/compile.ts";

const SHAPE = [3, 8, 8];
const ROWS = 4;
const NAMES = ["hue", "saturation"] as const;
const BLACK = 20;

test("colours change in the user's units, whatever the coordinates of each channel", async () => {
  const rng = new Rng(1);
  const N = sizeOf(SHAPE);
  const perChannel = (values: readonly number[]) =>
    hostArray(
      "float64",
      [N],
      Float64Array.from({ length: N }, (_, i) => values[Math.floor((3 * i) / N)]!),
    );
  const coordinates = {
    shift: perChannel([100, 120, 90]),
    scale: perChannel([40, 10, 70]),
    unit: 30,
    noise: 0.1,
  };
  const config = mergeConfig(defaultConfig(SHAPE, 100), {
    network: { channels: [4], blocks: [1], heads: [0], embedding: 8, patch: 2 },
  });
  const network = buildNetwork(config.network, SHAPE);
  const weights = constantWeights(initialize(network.parameters, rng));
  const schedule = { sigmaMin: 0.01, sigmaMax: 10 };
  const x = float32(
    Float32Array.from({ length: ROWS * N }, () => 20 + 200 * rng.uniform()),
    [ROWS, ...SHAPE],
  );
  const drawn = Array.from({ length: ROWS }, () => drawAugmentation(NAMES, SHAPE, rng)).flat();
  const augmentation = float32(drawn, [ROWS, augmentationNumbers(NAMES)]);
  const common = {
    noise: float32(
      Float32Array.from({ length: ROWS * N }, () => rng.normal()),
      x.shape,
    ),
    sigma: float32([0.1, 0.5, 1, 3]),
  };
  const lossOf = async (names: readonly (typeof NAMES)[number][], feeds: object, inside: boolean) => {
    const mStep = { ...config.mStep, augment: names };
    const spec = { network, mStep, schedule, base: normalBase, black: BLACK, ...(inside && { coordinates }) };
    const { inputs, loss } = lossGraph(spec, ROWS, weights, 1);
    const program = await compile({ inputs, outputs: { loss } });
    const outputs = await program.run({ ...common, ...feeds });
    await program.release();
    return Number(outputs.loss!.data[0]);
  };
  const [images, numbers] = [input(x.shape), input(augmentation.shape)];
  const changer = await compile({
    inputs: { images, numbers },
    outputs: { y: augment(images, NAMES, numbers, BLACK) },
  });
  const changed = (await changer.run({ images: x, numbers: augmentation })).y as typeof x;
  await changer.release();
  const expected = await lossOf([], { x: fromUser(coordinates, changed) }, false);
  const unchanged = await lossOf([], { x: fromUser(coordinates, x) }, false);
  const found = await lossOf(NAMES, { x: fromUser(coordinates, x), augmentation }, true);
  // float32, through values of 200.
  expect(Math.abs(found / expected - 1)).toBeLessThan(1e-4);
  expect(Math.abs(unchanged / expected - 1)).toBeGreaterThan(1e-3);
  expect(toUser(coordinates, fromUser(coordinates, x)).data[0]!).toBeCloseTo(x.data[0]!, 3);
});
