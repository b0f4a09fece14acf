import { expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { conv2d, input, mul, scalar, sum, type Tensor, vjp } from "../../src/graph/index.ts";
import { lower } from "../../src/graph/lower.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { simplify } from "../../src/graph/simplify.ts";
import { reachable } from "../../src/graph/traverse.ts";
import { blockSizeOf } from "../../src/runtime/block-size.ts";
import { createSession, loadEngine } from "../../src/runtime/engine.ts";
import { expectAllClose } from "../matchers.ts";

/** Sums of some hundred products of order one, added in another order: float32 keeps five digits of the largest. */
const RELATIVE = 1e-5;

const block = await blockSizeOf({});
const cases = [
  { x: [16, 16, 6, 5], w: [32, 16, 3, 3], stride: 1, padding: 1 },
  { x: [32, 32, 7, 7], w: [16, 32, 3, 3], stride: 1, padding: 1 },
  { x: [16, 4, 6, 6], w: [32, 4, 3, 3], stride: 1, padding: 1 },
  { x: [16, 32, 6, 6], w: [4, 32, 1, 1], stride: 1, padding: 0 },
  { x: [16, 32, 8, 6], w: [48, 32, 3, 3], stride: 2, padding: 1 },
  { x: [3, 16, 5, 5], w: [16, 16, 3, 3], stride: 1, padding: 1 },
  { x: [12, 3, 8, 7], w: [16, 3, 3, 3], stride: 2, padding: 1 },
  { x: [16, 16, 9, 7], w: [16, 16, 2, 3], stride: 3, padding: 1 },
  { x: [16, 32, 6, 5], w: [16, 32, 1, 3], stride: 2, padding: 0 },
  // Signals, as images of one row.
  { x: [16, 16, 1, 40], w: [32, 16, 1, 3], stride: [1, 2] as const, padding: [0, 1] as const },
  { x: [16, 32, 6, 5], w: [16, 32, 3, 2], stride: [2, 1] as const, padding: [1, 0] as const },
  { x: [16, 16, 1, 300], w: [64, 16, 1, 3], stride: 1, padding: [0, 1] as const },
  // Cotangents too large for the cache, so that weights' gradients come row by row.
  { x: [16, 16, 13, 11], w: [64, 16, 3, 3], stride: 1, padding: 1 },
  { x: [15, 5, 14, 13], w: [64, 5, 3, 2], stride: 1, padding: 0 },
];

test.skipIf(block === 1).each(cases)(
  "blocked convolutions give the numbers of plain ones: %j",
  async (shapes) => {
    const inputs = { x: input(shapes.x), w: input(shapes.w), bias: input([shapes.w[0]!]) };
    const { x, w, bias } = inputs;
    const y = conv2d(x, w, bias, shapes);
    const outputs = simplify([y, ...vjp([sum(mul(y, y))], [x, w, bias], [scalar(1)])]);
    const plain = lower(outputs, { blockSize: 1 });
    const blocked = lower(outputs, { blockSize: block });
    expect(reachable(plain).some(({ op }) => op.name === "BlockedConv")).toBe(false);
    expect(reachable(blocked).some(({ op }) => op.name === "BlockedConv")).toBe(true);
    const [expected, found] = [await run(inputs, plain), await run(inputs, blocked)];
    expected.forEach((values, k) => {
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expectAllClose(found[k]!, values, { relative: 0, absolute: RELATIVE * largest });
    });
  },
);

async function run(
  inputs: Readonly<Record<string, Tensor>>,
  outputs: readonly Tensor[],
): Promise<Float32Array[]> {
  const names = outputs.map((_, k) => `y${k}`);
  const named = Object.fromEntries(names.map((name, k) => [name, outputs[k]!]));
  const session = await createSession(writeOnnx(inputs, named), {});
  const { Tensor: EngineTensor } = await loadEngine();
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape }]) => {
      const rng = new Rng(5).split(name);
      const data = Float32Array.from({ length: sizeOf(shape) }, () => rng.normal());
      return [name, new EngineTensor("float32", data, shape)];
    }),
  );
  const found = await session.run(feeds);
  await session.release();
  return names.map((name) => found[name]!.data as Float32Array);
}
