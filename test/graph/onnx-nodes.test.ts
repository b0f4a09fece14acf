/** Models of a few nodes, at edges of what their attributes mean: read, and run by ONNX Runtime as they are. */
import { expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { input, scalar, sum, vjp } from "../../src/graph/index.ts";
import { ProtobufWriter } from "../../src/graph/onnx/protobuf.ts";
import { readOnnx } from "../../src/graph/onnx/read.ts";
import { compile } from "../../src/runtime/compile.ts";
import { loadOnnxProgram } from "../../src/runtime/onnx-program.ts";
import { expectAllClose } from "../matchers.ts";
import { model, type Node } from "./onnx-model.ts";

const integers = (...values: number[]) => BigInt64Array.from(values, BigInt);
const floats = (...values: number[]) => Float32Array.of(...values);
const matrix = float32([1, 2, 3, 4, 5, 6], [2, 3]);
const image = float32(
  Array.from({ length: 9 }, (_, i) => i),
  [1, 1, 3, 3],
);

const castTo = (from: string, to: number, output: string): Node => ({
  type: "Cast",
  inputs: [from],
  output,
  attributes: { to },
});
const [FLOAT, INT64, BOOL] = [1, 7, 9];

const CASES = {
  "a sum over an empty list of axes, which means all": [
    matrix,
    model([{ type: "ReduceSum", inputs: ["x", "axes"], output: "y" }], { axes: [integers(), 0] }),
  ],
  "a sum over an empty list of axes that means none": [
    matrix,
    model(
      [
        {
          type: "ReduceSum",
          inputs: ["x", "axes"],
          output: "y",
          attributes: { noop_with_empty_axes: 1 },
        },
      ],
      { axes: [integers(), 0] },
    ),
  ],
  "attributes of value 0 that the writer left out": [
    matrix,
    model(
      [{ type: "ReduceMax", inputs: ["x", "axes"], output: "y", attributes: { keepdims: 0 } }],
      { axes: [integers(1), 1] },
      true,
    ),
  ],
  "a size computed in fractions": [
    matrix,
    model(
      [
        { type: "Div", inputs: ["a", "b"], output: "half" },
        { type: "Mul", inputs: ["half", "b"], output: "whole" },
        castTo("whole", INT64, "size"),
        castTo("size", FLOAT, "factor"),
        { type: "Mul", inputs: ["x", "factor"], output: "y" },
      ],
      { a: [floats(5)], b: [floats(2)] },
    ),
  ],
  "the opposite of a number's truth": [
    matrix,
    model(
      [
        castTo("two", BOOL, "truth"),
        { type: "Not", inputs: ["truth"], output: "opposite" },
        { type: "Where", inputs: ["opposite", "x", "zero"], output: "y" },
      ],
      { two: [integers(2)], zero: [floats(0)] },
    ),
  ],
  "the truth of 256": [
    matrix,
    model([castTo("number", BOOL, "truth"), { type: "Where", inputs: ["truth", "x", "zero"], output: "y" }], {
      number: [integers(256)],
      zero: [floats(0)],
    }),
  ],
  "pixels repeated about their centres": [image, resized("half_pixel", "round_prefer_ceil", 2)],
  "pixels repeated by centres rounded down": [image, resized("half_pixel", "floor", 2)],
  "pixels repeated from their corners": [image, resized("asymmetric", "floor", 3)],
} as const;

function resized(coordinates: string, rounding: string, scale: number): Uint8Array {
  const attributes = {
    mode: "nearest",
    coordinate_transformation_mode: coordinates,
    nearest_mode: rounding,
  };
  return model([{ type: "Resize", inputs: ["x", "", "scales"], output: "y", attributes }], {
    scales: [floats(1, 1, scale, scale), 4],
  });
}

test.each(Object.keys(CASES) as (keyof typeof CASES)[])("%s", async (name) => {
  const [x, bytes] = CASES[name];
  const file = await loadOnnxProgram(bytes, name);
  const { y: expected } = await file.run({ x });
  await file.release();
  const tensor = input(x.shape);
  const { y } = readOnnx(bytes).build({ x: tensor });
  const program = await compile({ inputs: { x: tensor }, outputs: { y: y! } });
  const found = await program.run({ x });
  await program.release();
  expect(found.y!.shape).toEqual(expected!.shape);
  expectAllClose(found.y!, expected!, { relative: 1e-6 });
});

const window = (ceil: number): Node => ({
  type: "AveragePool",
  inputs: ["x"],
  output: "y",
  attributes: { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: ceil },
});

test.each([
  ["blocks that are cut off at the edge", model([window(1)]), /ceil_mode 1 \(only 0 is\) is not/],
  [
    "an exponent with more axes than its base",
    model([{ type: "Pow", inputs: ["x", "two"], output: "y" }], { two: [floats(2), 1, 1, 1, 1, 1] }),
    /an exponent for each element is not/,
  ],
  [
    "an array that only its shape makes large",
    model([{ type: "ConstantOfShape", inputs: ["shape"], output: "y" }], { shape: [integers(1e9), 1] }),
    /ConstantOfShape.*: expected at most 134217728 numbers in an array, found the shape \[1000000000\]/,
  ],
  [
    "an array that many copies make large",
    model(
      Array.from({ length: 40 }, (_, k) => ({
        type: "Concat",
        inputs: Array(2).fill(k === 0 ? "x" : `y${k}`),
        output: k === 39 ? "y" : `y${k + 1}`,
        attributes: { axis: 0 },
      })),
    ),
    /Concat.*: expected at most 134217728 numbers in an array/,
  ],
])("%s is refused", (_, bytes, message) => {
  expect(() => readOnnx(bytes).build({ x: input(image.shape) })).toThrow(message);
});

test("what is large because many samples are fed may be made", () => {
  const twice = model([{ type: "Concat", inputs: ["x", "x"], output: "y", attributes: { axis: 1 } }]);
  const { y } = readOnnx(twice).build({ x: input([64, 3 * 2 ** 20]) });
  expect(y!.shape).toEqual([64, 6 * 2 ** 20]);
  expect(() => readOnnx(twice).build({ x: input([2, 2 ** 26]) })).toThrow(
    "expected at most 134217728 numbers in an array, found the shape [2, 134217728]",
  );
});

/** y = x + w, with w in another file: as an initializer, as a constant, and as one inside a branch. */
const external = (put: (graph: ProtobufWriter, fill: (tensor: ProtobufWriter) => void) => void) => {
  const graph = new ProtobufWriter().text(2, "graph");
  put(graph, (tensor) => {
    tensor.integer(1, 4).integer(2, 1).text(8, "w").integer(14, 1);
    tensor.message(13, (entry) => entry.text(1, "location").text(2, "../../../../dev/zero"));
  });
  return new ProtobufWriter()
    .integer(1, 8)
    .nested(7, graph)
    .message(8, (opset) => opset.text(1, "").integer(2, 18)).bytes;
};

test.each([
  ["an initializer", external((graph, fill) => graph.message(5, fill))],
  [
    "a constant",
    external((graph, fill) =>
      graph.message(1, (node) =>
        node.text(4, "Constant").message(5, (attribute) => attribute.text(1, "value").message(5, fill)),
      ),
    ),
  ],
  [
    "a constant in a branch",
    external((graph, fill) =>
      graph.message(1, (node) =>
        node
          .text(4, "If")
          .message(5, (attribute) => attribute.message(6, (branch) => branch.message(5, fill))),
      ),
    ),
  ],
])("%s in another file is refused", async (_, bytes) => {
  await expect(loadOnnxProgram(bytes, "m.onnx")).rejects.toThrow(
    "m.onnx: tensor w: expected its elements in the file, found another file. Save the model as one file",
  );
});

test("whole blocks need no rounding up", () => {
  const { y } = readOnnx(model([window(1)])).build({ x: input([1, 1, 4, 6]) });
  expect(y!.shape).toEqual([1, 1, 2, 3]);
});

test.each([
  ["Relu", [0, 0, 1]],
  ["LeakyRelu", [0.01, 0.01, 1]],
  ["Softplus", [1 / (1 + Math.exp(2)), 0.5, 1 / (1 + Math.exp(-2))]],
])("derivatives of %s are those of PyTorch, also at 0", async (type, expected) => {
  const x = input([3]);
  const { y } = readOnnx(model([{ type, inputs: ["x"], output: "y" }])).build({ x });
  const [slope] = vjp([sum(y!)], [x], [scalar(1)]);
  const program = await compile({ inputs: { x }, outputs: { slope: slope! } });
  const found = await program.run({ x: float32([-2, 0, 2]) });
  await program.release();
  expectAllClose(found.slope!, expected, { relative: 1e-6 });
});
