/** Operators of networks of others: read, beside ONNX Runtime's own results, and their derivatives beside differences of these. */
import { expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { input, vjp } from "../../src/graph/index.ts";
import { readOnnx } from "../../src/graph/onnx/read.ts";
import { compile } from "../../src/runtime/compile.ts";
import { loadOnnxProgram } from "../../src/runtime/onnx-program.ts";
import { normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";
import { model, type Node } from "./onnx-model.ts";

const rng = new Rng(2);
const integers = (...values: number[]) => [BigInt64Array.from(values, BigInt), values.length] as const;
const scalar = (value: number) => [Float32Array.of(value)] as const;
const weights = (...shape: number[]) => [normals(rng, shape).data, ...shape] as const;
const one = (type: string, attributes: Node["attributes"] = {}, ...more: string[]): Node[] => [
  { type, inputs: ["x", ...more], output: "y", attributes },
];
const f = (value: number) => Float32Array.of(value);
const [VECTOR, IMAGE] = [normals(rng, [3, 8]), normals(rng, [2, 2, 5, 6])];
type Constants = Parameters<typeof model>[1];

const resized = (attributes: Node["attributes"], sizes: readonly number[]): Uint8Array =>
  model(one("Resize", attributes, "", "", "sizes"), { sizes: integers(...sizes) });
const padded = (mode: string, pads: readonly number[], more: Constants = {}, names: readonly string[] = []) =>
  model(one("Pad", { mode }, "pads", ...names), { pads: integers(...pads), ...more });

const CASES: Readonly<Record<string, readonly [HostArray<"float32">, Uint8Array]>> = {
  Erf: [VECTOR, model(one("Erf"))],
  Gelu: [VECTOR, model(one("Gelu"), {}, false, 20)],
  "Gelu by tanh": [VECTOR, model(one("Gelu", { approximate: "tanh" }), {}, false, 20)],
  HardSigmoid: [VECTOR, model(one("HardSigmoid", { alpha: f(0.3), beta: f(0.4) }))],
  HardSwish: [VECTOR, model(one("HardSwish"))],
  Elu: [VECTOR, model(one("Elu", { alpha: f(1.5) }))],
  Mish: [VECTOR, model(one("Mish"))],
  PRelu: [VECTOR, model(one("PRelu", {}, "slope"), { slope: weights(8) })],
  "Mod of floats": [VECTOR, model(one("Mod", { fmod: 1 }, "b"), { b: scalar(0.7) })],
  MaxPool: [IMAGE, model(one("MaxPool", { kernel_shape: [2, 3], strides: [2, 1], pads: [0, 1, 1, 1] }))],
  "MaxPool, dilated": [IMAGE, model(one("MaxPool", { kernel_shape: [2, 2], dilations: [2, 3] }))],
  "Resize linear": [IMAGE, resized({ mode: "linear" }, [2, 2, 9, 4])],
  "Resize linear, corners aligned": [
    IMAGE,
    resized({ mode: "linear", coordinate_transformation_mode: "align_corners" }, [2, 2, 10, 12]),
  ],
  "Resize cubic": [IMAGE, resized({ mode: "cubic" }, [2, 2, 10, 12])],
  "Resize nearest to any size": [
    IMAGE,
    resized(
      { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
      [2, 2, 7, 4],
    ),
  ],
  "Conv, dilated": [
    IMAGE,
    model(one("Conv", { dilations: [2, 2], pads: [2, 2, 2, 2] }, "w"), { w: weights(3, 2, 3, 3) }),
  ],
  "Pad by reflection": [IMAGE, padded("reflect", [0, 0, 2, 3, 0, 0, 1, 4])],
  "Pad by the edge": [IMAGE, padded("edge", [0, 0, 2, 3, 0, 0, 1, 4])],
  "Pad by a value, and cut": [
    IMAGE,
    padded("constant", [0, 0, 2, -1, 0, 0, -1, 1], { v: scalar(1.5) }, ["v"]),
  ],
  "Einsum of a product": [VECTOR, model(one("Einsum", { equation: "ni,ij->nj" }, "w"), { w: weights(8, 4) })],
  "Einsum of attention": [
    IMAGE,
    model([
      { type: "Einsum", inputs: ["x", "x"], output: "s", attributes: { equation: "bhqd,bhkd->bhqk" } },
      { type: "Einsum", inputs: ["s", "x"], output: "y", attributes: { equation: "bhqk, bhkd -> bqhd" } },
    ]),
  ],
  "Einsum that sums and turns": [IMAGE, model(one("Einsum", { equation: "bchw->wb" }))],
  "Einsum of three": [
    VECTOR,
    model(
      [{ type: "Einsum", inputs: ["a", "x", "b"], output: "y", attributes: { equation: "ij,nj,jk->nik" } }],
      { a: weights(2, 8), b: weights(8, 3) },
    ),
  ],
  "DFT of real numbers, one side": [normals(rng, [2, 7, 1]), model(one("DFT", { axis: 1, onesided: 1 }))],
  "DFT of complex numbers, longer": [
    normals(rng, [2, 3, 6, 2]),
    model(one("DFT", { axis: 1 }, "length"), { length: [BigInt64Array.of(5n)] }),
  ],
  "DFT, inverse": [normals(rng, [2, 6, 2]), model(one("DFT", { axis: 1, inverse: 1 }))],
};

test.each(Object.keys(CASES))("%s: results and derivatives are ONNX Runtime's", async (name) => {
  const [x, bytes] = CASES[name]!;
  const file = await loadOnnxProgram(bytes, name);
  const theirs = async (at: HostArray<"float32">) => (await file.run({ x: at })).y as HostArray<"float32">;
  const expected = await theirs(x);
  const tensor = input(x.shape);
  const { y } = readOnnx(bytes, name).build({ x: tensor });
  const v = input(y!.shape);
  const program = await compile({
    inputs: { x: tensor, v },
    outputs: { y: y!, g: vjp([y!], [tensor], [v])[0]! },
  });
  const cotangent = normals(rng, y!.shape);
  const found = await program.run({ x, v: cotangent });
  expectAllClose(found.y!, expected, { relative: 1e-5 });
  // v' (f(x + h d) - f(x - h d)) / 2 h = v' J d. No |x_i| is below h |d_i|, where some have a kink.
  const [d, h] = [normals(rng, x.shape), 2e-3];
  const ahead = await theirs(moved(x, d, h));
  const behind = await theirs(moved(x, d, -h));
  await Promise.all([file.release(), program.release()]);
  const slope = dot(cotangent, ahead) - dot(cotangent, behind);
  const scale = norm(found.g!) * norm(d);
  expect(Math.abs(slope / (2 * h) - dot(found.g!, d)) / scale).toBeLessThan(2e-3);
});

const moved = (x: HostArray<"float32">, d: HostArray<"float32">, h: number) =>
  float32(
    x.data.map((value, i) => value + h * d.data[i]!),
    x.shape,
  );
const dot = (a: HostArray, b: HostArray) =>
  Array.from(a.data, Number).reduce((sum, value, i) => sum + value * Number(b.data[i]), 0);
const norm = (a: HostArray) => Math.sqrt(dot(a, a));

test.each([
  ["a cycle", model([{ type: "Add", inputs: ["x", "y"], output: "y" }]), /expected y to be known/],
  ["an operator of others", model(one("Attention")), /the operator Attention is not supported; known are/],
  ["a huge resize", resized({ mode: "linear" }, [2, 2, 1e9, 6]), /expected at most 134217728 numbers/],
  [
    "an ellipsis",
    model(one("Einsum", { equation: "...i->..." })),
    /the equation \.\.\.i->\.\.\. is not supported/,
  ],
  [
    "reflection beyond the image",
    padded("reflect", [0, 0, 5, 0, 0, 0, 0, 0]),
    /reflect of at most 4 expected/,
  ],
])("%s is refused in one line", (_, bytes, message) => {
  const build = () => readOnnx(bytes, "m.onnx").build({ x: input(IMAGE.shape) });
  expect(build).toThrow(message);
  expect(build).toThrow(/^m\.onnx: [^\n]*$/);
});
