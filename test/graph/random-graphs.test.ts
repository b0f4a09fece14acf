/**
 * Random graphs of images, some of them in loops: what is prepared for the engine computes what was written down.
 * Rules of the layout meet each other here, and shapes that broadcast, as no list of cases has them.
 */
import { expect, test } from "vitest";
import { isErrorOf } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import {
  add,
  averagePool,
  cast,
  concat,
  conv2d,
  input,
  loop,
  maximum,
  mean,
  mul,
  resizeNearest,
  scalar,
  silu,
  slice,
  square,
  standardize,
  sub,
  sum,
  type Tensor,
  tanh,
  vjp,
} from "../../src/graph/index.ts";
import { lower } from "../../src/graph/lower.ts";
import { writeOnnx } from "../../src/graph/onnx/write.ts";
import { prepare } from "../../src/graph/prepare.ts";
import { blockSizeOf } from "../../src/runtime/block-size.ts";
import { createSession, loadEngine } from "../../src/runtime/engine.ts";
import { expectAllClose } from "../matchers.ts";

const block = await blockSizeOf({});
const GRAPHS = 40;

/** Sums of some hundred terms in another order, through ten layers; a wrong rule errs by the size of the values. */
const RELATIVE = 1e-3;
/** Gradients that are zero, as those of what a later layer normalizes away, consist of rounding. */
const ABSOLUTE = 1e-5;

/** A graph under construction: its inputs, and the images so far. */
interface Growing {
  readonly rng: Rng;
  readonly inputs: Tensor[];
  readonly images: Tensor[];
}
type Shape4 = readonly [number, number, number, number];

function pick<T>(rng: Rng, from: readonly T[]): T {
  return from[rng.integer(from.length)]!;
}

function fresh({ inputs }: Growing, ...shape: number[]): Tensor {
  inputs.push(input(shape));
  return inputs.at(-1)!;
}

/** What may become of an image x [n, C, h, w]; `other` is another image so far, of any shape. */
const MOVES: readonly ((graph: Growing, x: Tensor, shape: Shape4, other: Tensor) => Tensor)[] = [
  (graph, x, [, C]) =>
    conv2d(x, fresh(graph, pick(graph.rng, [16, 32, 3]), C, 3, 3), undefined, { padding: 1 }),
  (graph, x, [, C]) => conv2d(x, fresh(graph, C, C, 3, 3), fresh(graph, C), { padding: 1, stride: 2 }),
  (graph, x, [, C]) => conv2d(x, fresh(graph, 16, C, 1, 1), fresh(graph, 16)),
  (graph, x, [n, C]) => mul(x, fresh(graph, pick(graph.rng, [1, n, 3]), C, 1, 1)),
  (graph, x, [n, C]) => add(x, fresh(graph, pick(graph.rng, [1, n, 3]), C, 1, 1)),
  (graph, x, [n, C]) => sub(x, fresh(graph, pick(graph.rng, [1, n, 3]), C, 1, 1)),
  (graph, x, [n, , h, w]) => mul(x, fresh(graph, n, 1, h, w)),
  (graph, x, [n]) => mul(fresh(graph, n, 1, 1, 1), x),
  (_, x) => silu(x),
  (_, x) => standardize(x, [1], 1e-2),
  (_, x, _shape, other) => add(x, other),
  (_, x, _shape, other) => mul(x, tanh(other)),
  (_, x, _shape, other) => maximum(x, other),
  (_, x, _shape, other) => concat([x, other], 1),
  (_, x, [, C]) => slice(x, 1, C > 16 ? 16 : 0, C),
  (_, x) => mul(x, mean(square(x), [2, 3], true)),
  (_, x, _shape, other) => sub(x, mean(other, [1], true)),
  (_, x) => resizeNearest(x, 2),
  (_, x) => averagePool(x, 2),
];

function grow(graph: Growing, moves: number): void {
  const { rng, images } = graph;
  for (let k = 0; k < moves; k++) {
    const x = pick(rng, images);
    const before = graph.inputs.length;
    try {
      const y = pick(rng, MOVES)(graph, x, x.shape as unknown as Shape4, pick(rng, images));
      if (sizeOf(y.shape) > 20_000) graph.inputs.length = before;
      else images.push(y);
    } catch (error) {
      if (!isErrorOf(error, "ShapeError")) throw error;
      graph.inputs.length = before; // shapes that do not fit
    }
  }
}

function randomGraph(rng: Rng): { inputs: Tensor[]; outputs: Tensor[] } {
  const graph: Growing = { rng, inputs: [], images: [] };
  const shape = [pick(rng, [1, 3, 16]), pick(rng, [16, 32]), pick(rng, [2, 4]), pick(rng, [2, 5])] as const;
  graph.images.push(fresh(graph, ...shape), fresh(graph, 1, ...shape.slice(1)));
  grow(graph, 7);
  const state = pick(rng, graph.images);
  const [looped] = loop(2, [state], (index, [x]) => {
    const turn = { ...graph, images: [...graph.images, x!, mul(x!, add(cast(index, "float32"), 0.5))] };
    grow(turn, 5);
    const same = turn.images.filter(({ shape: found }) => found.join() === state.shape.join());
    return [tanh(same.at(-1)!)];
  });
  graph.images.push(looped!);
  grow(graph, 3);
  const y = graph.images.at(-1)!;
  const loss = sum(tanh(mul(y, 0.1)));
  return { inputs: graph.inputs, outputs: [y, ...vjp([loss], graph.inputs, [scalar(1)])] };
}

test.each(Array.from({ length: GRAPHS }, (_, seed) => seed))("graph %d", async (seed) => {
  const { inputs, outputs } = randomGraph(new Rng(seed));
  const expected = await run(inputs, lower(outputs, { blockSize: 1 }));
  for (const blockSize of new Set([1, block])) {
    const found = await run(inputs, prepare(outputs, { blockSize }));
    expected.forEach(({ data, dims }, k) => {
      expect(found[k]!.dims).toEqual(dims);
      expect(dims).toEqual(outputs[k]!.shape);
      expectAllClose(found[k]!.data, data, { relative: RELATIVE, absolute: ABSOLUTE });
    });
  }
});

async function run(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
): Promise<{ data: Float32Array; dims: Shape }[]> {
  const named = (letter: string, tensors: readonly Tensor[]) =>
    Object.fromEntries(tensors.map((tensor, k) => [`${letter}${k}`, tensor]));
  const session = await createSession(writeOnnx(named("x", inputs), named("y", outputs)), { threads: 1 });
  const { Tensor: EngineTensor } = await loadEngine();
  const feeds = inputs.map(({ shape }, k) => {
    const data = new Float32Array(sizeOf(shape));
    new Rng(k).fillNormal(data);
    const scale = shape[2] === 3 ? 0.1 : 1; // kernels
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
  return outputs.map((_, k) => ({ data: found[`y${k}`]!.data as Float32Array, dims: found[`y${k}`]!.dims }));
}
