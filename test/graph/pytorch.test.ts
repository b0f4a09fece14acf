import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import {
  add,
  conv2d,
  convTranspose2d,
  div,
  input,
  matmul,
  mean,
  mul,
  reshape,
  sigmoid,
  softmax,
  sqrt,
  square,
  sub,
  type Tensor,
  transpose,
  vjp,
} from "../../src/graph/index.ts";
import { compile } from "../../src/runtime/compile.ts";
import { expectAllClose } from "../matchers.ts";

/** The fixture holds float64 results of float32 inputs; sums here have at most some hundred float32 terms. */
const GOLDEN_TOLERANCE = 1e-5;

type Packed = { readonly shape: number[]; readonly data: number[] };
type Options = {
  stride: number;
  padding: number;
  groups: number;
  outputPadding: [number, number];
  heads: number;
};
type Golden = {
  readonly name: keyof typeof BUILDERS;
  readonly options: Options;
  readonly inputs: Record<string, Packed>;
  readonly cotangent: Packed;
  readonly output: Packed;
  readonly gradients: Record<string, Packed>;
};
type Inputs = Readonly<Record<string, Tensor>>;

const BUILDERS = {
  conv2d: ({ x, w, b }: Inputs, options: Options) => conv2d(x!, w!, b, options),
  convTranspose2d: ({ x, w }: Inputs, options: Options) =>
    convTranspose2d(x!, w!, options, options.outputPadding),
  attention,
  layerNorm: ({ x }: Inputs) => {
    const centred = sub(x!, mean(x!, [1], true));
    return div(centred, sqrt(add(mean(square(centred), [1], true), 1e-5)));
  },
  silu: ({ x }: Inputs) => mul(x!, sigmoid(x!)),
};

/** softmax(Q K' / sqrt(d)) V per head. x is [B, T, C], weights [out, in]. */
function attention({ x, wq, bq, wk, bk, wv, bv, wo }: Inputs, { heads }: Options): Tensor {
  const [B, T, C] = x!.shape as [number, number, number];
  const width = C / heads;
  const perHead = (w: Tensor, b: Tensor) =>
    transpose(reshape(add(matmul(x!, w, { transB: true }), b), [B, T, heads, width]), [0, 2, 1, 3]);
  const [q, k, v] = [perHead(wq!, bq!), perHead(wk!, bk!), perHead(wv!, bv!)];
  const weights = softmax(mul(matmul(q, k, { transB: true }), 1 / Math.sqrt(width)));
  const joined = reshape(transpose(matmul(weights, v), [0, 2, 1, 3]), [B, T, C]);
  return matmul(joined, wo!, { transB: true });
}

const unpack = ({ shape, data }: Packed): HostArray => float32(data, shape);
const largestOf = ({ data }: Packed) => Math.max(...data.map(Math.abs));
const fixture = new URL("../fixtures/pytorch.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as { cases: Golden[] };

describe("values and gradients are those of PyTorch", () => {
  test.each(cases)("$name $options", async (golden) => {
    const names = Object.keys(golden.inputs);
    const inputs = Object.fromEntries(names.map((name) => [name, input(golden.inputs[name]!.shape)]));
    const output = BUILDERS[golden.name](inputs, golden.options);
    const cotangent = input(output.shape);
    const gradients = vjp([output], Object.values(inputs), [cotangent]);
    const program = await compile({
      inputs: { ...inputs, cotangent },
      outputs: { output, gradients: Object.fromEntries(gradients.map((g, k) => [names[k]!, g])) },
    });
    const feeds = Object.fromEntries(names.map((name) => [name, unpack(golden.inputs[name]!)]));
    const found = await program.run({ ...feeds, cotangent: unpack(golden.cotangent) });
    expectAllClose(found.output, unpack(golden.output), { relative: GOLDEN_TOLERANCE });
    // A gradient that is zero in exact arithmetic is judged by the size of the others: softmax does not see the bias of
    // the keys, which shifts all scores of a row.
    const largest = Math.max(...names.map((name) => largestOf(golden.gradients[name]!)));
    for (const name of names)
      expectAllClose(found.gradients[name]!, unpack(golden.gradients[name]!), {
        relative: GOLDEN_TOLERANCE,
        absolute: largestOf(golden.gradients[name]!) < 1e-9 ? GOLDEN_TOLERANCE * largest : 0,
      });
    await program.release();
  });
});
