import { expect, test } from "vitest";
import { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import {
  add,
  averagePool,
  cast,
  concat,
  conv2d,
  div,
  expand,
  input,
  isLoop,
  type LoopBody,
  loop,
  mean,
  mul,
  pad,
  resizeNearest,
  scalar,
  silu,
  slice,
  square,
  standardize,
  sub,
  sum,
  type Tensor,
  vjp,
} from "../../src/graph/index.ts";
import { keepBlocked } from "../../src/graph/layout.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { prepare } from "../../src/graph/prepare.ts";
import { dependents, reachable } from "../../src/graph/traverse.ts";
import { unet } from "../../src/nn/unet.ts";
import { blockSizeOf } from "../../src/runtime/block-size.ts";
import { createSession, loadEngine } from "../../src/runtime/engine.ts";
import { expectAllClose } from "../matchers.ts";

const block = await blockSizeOf({});

/** float32 keeps five digits of the largest of sums that are added in another order. */
const RELATIVE = 2e-5;

const N = 3;
const C = 32;
const image = [N, C, 4, 6];
const one = [1, C, 4, 6];
type Build = (conv: (x: Tensor) => Tensor, given: (shape: Shape) => Tensor) => Tensor;

/** What may stand between two convolutions: one rule each, and what has none. */
const between: Readonly<Record<string, Build>> = {
  nothing: (conv) => conv(conv(inputOf(image))),
  "an activation": (conv) => conv(silu(conv(inputOf(image)))),
  "a factor per channel": (conv, given) => conv(mul(conv(inputOf(image)), given([1, C, 1, 1]))),
  "a factor per channel and sample": (conv, given) => conv(mul(conv(inputOf(image)), given([N, C, 1, 1]))),
  "an affine map per channel": (conv, given) =>
    conv(add(mul(conv(inputOf(image)), given([1, C, 1, 1])), given([1, C, 1, 1]))),
  "an affine map per channel and sample": (conv, given) =>
    conv(add(mul(conv(inputOf(image)), given([N, C, 1, 1])), given([N, C, 1, 1]))),
  "an offset subtracted": (conv, given) => conv(sub(conv(inputOf(image)), given([1, C, 1, 1]))),
  "subtraction from an offset": (conv, given) => conv(sub(given([1, C, 1, 1]), conv(inputOf(image)))),
  "a quotient per channel": (conv, given) => conv(div(conv(inputOf(image)), given([1, C, 1, 1]))),
  "a factor per sample": (conv, given) => conv(mul(conv(inputOf(image)), given([N, 1, 1, 1]))),
  "a factor per pixel": (conv, given) => conv(mul(conv(inputOf(image)), given([N, 1, 4, 6]))),
  "a factor per column": (conv, given) => conv(mul(conv(inputOf(image)), given([1, 1, 1, 6]))),
  "a plain image": (conv, given) => conv(add(conv(inputOf(image)), given(image))),
  "layer normalization": (conv) => conv(standardize(conv(inputOf(image)), [1], 1e-5)),
  "moments of pixels": (conv) => {
    const x = conv(inputOf(image));
    return conv(mul(x, mean(square(x), [2, 3], true)));
  },
  "a residual connection": (conv, given) => {
    const x = conv(inputOf(image));
    const scaled = mul(x, given([1, C, 1, 1]));
    return conv(add(scaled, mul(conv(silu(x)), given([1, C, 1, 1]))));
  },
  "a convolution that is needed twice": (conv, given) => {
    const x = conv(inputOf(image));
    return conv(add(mul(x, given([1, C, 1, 1])), x));
  },
  "a sum of two convolutions": (conv) => {
    const x = inputOf(image);
    return conv(add(conv(x), conv(square(x))));
  },
  "more and fewer pixels": (conv) =>
    conv(averagePool(resizeNearest(averagePool(conv(inputOf(image)), 2), 4), 2)),
  "more and fewer columns": (conv) => conv(averagePool(resizeNearest(conv(inputOf(image)), [1, 4]), [2, 2])),
  "images moved along the batch": (conv) => conv(slice(pad(conv(inputOf(image)), 0, 1, 1), 0, 2, 2 + N)),
  "a factor per sample of one image": (conv, given) => mul(conv(inputOf(one)), given([N, C, 1, 1])),
  "an offset per sample of one image": (conv, given) => conv(add(conv(inputOf(one)), given([N, C, 1, 1]))),
  "an offset per sample taken off one image": (conv, given) => sub(conv(inputOf(one)), given([N, C, 1, 1])),
  "one image on many": (conv) => conv(add(conv(inputOf(one)), conv(inputOf(image)))),
  "the channels' mean of one image and of many": (conv) => {
    const x = conv(inputOf(image));
    return conv(mul(x, sub(mean(conv(inputOf(one)), [1], true), mean(x, [1], true))));
  },
  "joined and parted channels": (conv, given) => {
    const x = conv(inputOf(image));
    const joined = concat([x, given(image)], 1);
    return conv(add(slice(joined, 1, 16, 48), slice(joined, 1, 8, 40)));
  },
  "a repeated column, cut off again": (conv) => {
    const x = conv(inputOf(image));
    const wide = concat([x, expand(slice(x, 3, 5, 6), [N, C, 4, 2])], 3);
    return conv(slice(conv(wide), 3, 0, 6));
  },
  "a U-Net on odd sides": () => unetOf(1, [3, 5, 7]),
  "a U-Net on odd sides, of patches": () => unetOf(2, [3, 5, 7]),
  "a U-Net of signals": () => unetOf(1, [3, 9]),
  "a U-Net of volumes": () => unetOf(1, [3, 3, 4, 3]),
};

function unetOf(patch: number, shape: Shape): Tensor {
  const sizes = { channels: [16, 32], blocks: [1, 1], heads: [0, 0], embedding: 8, patch, dropout: 0 };
  const network = unet({ ...sizes, shape });
  const weights = Object.fromEntries(network.parameters.map(({ name, shape }) => [name, inputOf(shape)]));
  return network.apply(weights, inputOf([N, ...shape]), inputOf([N]));
}

let made: Tensor[] = [];
function inputOf(shape: Shape): Tensor {
  made.push(input(shape));
  return made.at(-1)!;
}

test.skipIf(block === 1).each(Object.keys(between))(
  "%s between convolutions gives the same numbers and gradients in blocks",
  async (name) => {
    made = [];
    const conv = (x: Tensor) => conv2d(x, inputOf([C, x.shape[1]!, 3, 3]), inputOf([C]), { padding: 1 });
    const y = between[name]!(conv, inputOf);
    const outputs = [y, ...vjp([sum(mul(y, y))], made, [scalar(1)])];
    const [plain, blocked] = [1, block].map((blockSize) => prepare(outputs, { blockSize }));
    const [expected, found] = [await run(made, plain!), await run(made, blocked!)];
    expected.forEach((values, k) => {
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expectAllClose(found[k]!, values, { relative: 0, absolute: RELATIVE * largest });
    });
  },
);

const reorderings = (outputs: readonly Tensor[]) =>
  reachable(outputs).filter(({ op }) => op.name.startsWith("Reorder")).length;

test
  .skipIf(block === 1)
  .each([
    "nothing",
    "an activation",
    "an affine map per channel",
    "an affine map per channel and sample",
    "a factor per sample",
    "layer normalization",
    "a residual connection",
    "more and fewer pixels",
    "images moved along the batch",
  ])("%s needs no reordering but at both ends", (name) => {
  made = [];
  const weights = () => input([C, C, 3, 3]);
  const y = between[name]!((x) => conv2d(x, weights(), undefined, { padding: 1 }), inputOf);
  expect(reorderings(prepare([y], { blockSize: block }))).toBe(2);
});

test.skipIf(block === 1)("a convolution outside a loop stays there", () => {
  const [x, outer, scale] = [input(image), input(image), input([1, C, 1, 1])];
  const conv = (of: Tensor) => conv2d(of, input([C, C, 3, 3]), undefined, { padding: 1 });
  const [added, scaled] = [conv(outer), conv(outer)];
  const [y] = loop(3, [x], (index, [state]) => {
    const factor = mul(scale, cast(index, "float32"));
    return [add(add(added, silu(conv(state!))), mul(scaled, factor))];
  });
  const [prepared] = prepare([y!], { blockSize: block });
  const loopNode = reachable([prepared!]).find(isLoop)!;
  const { index, states, results } = loopNode.attributes.body as LoopBody;
  const inside = dependents(reachable(results), [index, ...states]);
  expect([...inside].filter(({ op }) => op.name === "BlockedConv")).toHaveLength(1);
});

test("without blocks the graph stays", () => {
  const y = mul(input(image), 2);
  expect(keepBlocked([y], 1)).toEqual([y]);
});

async function run(inputs: readonly Tensor[], outputs: readonly Tensor[]): Promise<Float32Array[]> {
  const named = (tensors: readonly Tensor[], name: string) =>
    Object.fromEntries(tensors.map((tensor, k) => [`${name}${k}`, tensor]));
  const session = await createSession(writeOnnx(named(inputs, "x"), named(outputs, "y")), { threads: 1 });
  const { Tensor: EngineTensor } = await loadEngine();
  const feeds = inputs.map(({ shape }, k) => {
    const scale = shape.length >= 3 && shape.at(-1) === 3 ? 0.1 : 1;
    const data = new Float32Array(sizeOf(shape));
    new Rng(5).split(k).fillNormal(data);
    return [
      `x${k}`,
      new EngineTensor(
        "float32",
        data.map((v) => v * scale),
        shape,
      ),
    ] as const;
  });
  const found = await session.run(Object.fromEntries(feeds));
  await session.release();
  return outputs.map((_, k) => found[`y${k}`]!.data as Float32Array);
}
