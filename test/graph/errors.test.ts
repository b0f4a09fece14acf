import { describe, expect, test } from "vitest";
import { isErrorOf } from "../../src/core/errors.ts";
import {
  averagePool,
  cast,
  concat,
  conv2d,
  convTranspose2d,
  expand,
  gather,
  input,
  integers,
  loop,
  matmul,
  mul,
  pad,
  reshape,
  resizeNearest,
  scatterAdd,
  slice,
  split,
  sum,
  transpose,
  vjp,
  where,
} from "../../src/graph/index.ts";
import { node } from "../../src/graph/tensor.ts";

const x = input([2, 3]);
const image = input([1, 3, 4, 4]);

describe("a wrong shape is a ShapeError when the graph is built", () => {
  test.each([
    [() => mul(x, input([2])), "Mul: shapes [2, 3] and [2] do not broadcast."],
    [() => mul(x, cast(x, "int32")), "Mul: dtypes float32 and int32 differ. Cast one."],
    [() => where(x, x, x), "Where: condition must be bool, got float32."],
    [() => reshape(x, [4, -1]), "reshape: [2, 3] does not fit [4, -1]."],
    [() => reshape(x, [-2, -3]), "reshape: [2, 3] does not fit [-2, -3]."],
    [() => expand(x, [2, 4]), "expand: shapes [2, 3] and [2, 4] do not broadcast."],
    [() => expand(x, [3]), "expand: [2, 3] does not broadcast to [3]."],
    [() => sum(x, [0, -2]), "sum: axes must differ, got [0, -2]."],
    [() => sum(x, [2]), "sum: axis must be in [-2, 1], got 2."],
    [() => transpose(x, [0, 0]), "transpose: [0, 0] is not an order of 2 axes."],
    [() => transpose(input([3])), "transpose: at least 2 axes expected, got [3]."],
    [() => slice(x, 0, 1, 1), "slice: 1:1:1 is empty on axis 0 of [2, 3]."],
    [() => slice(x, 0, 0, 1.5), "slice: start, end and step must be integers, got 0:1.5:1."],
    [() => split(x, [1, 1], -1), "split: [1, 1] does not cut 3 elements into parts."],
    [() => split(x, [2, 2], -1), "split: [2, 2] does not cut 3 elements into parts."],
    [() => pad(x, 0, -1, 0), "pad: sizes must be integers >= 0, got -1 and 0."],
    [() => concat([], 0), "concat: at least one tensor expected, got none."],
    [() => concat([x, input([3, 2])], 0), "concat: [3, 2] float32 does not join [2, 3] float32 on axis 0."],
    [() => concat([x, input([2])], 1), "concat: [2] float32 does not join [2, 3] float32 on axis 1."],
    [() => gather(x, x), "gather: indices must be int32 or int64, got float32."],
    [
      () => scatterAdd(x, integers([0, 1, 2]), 3),
      "scatterAdd: updates must begin with the axes of the indices, [3], got [2, 3].",
    ],
    [() => matmul(x, x), "matmul: inner sizes differ: [2, 3] and [2, 3]."],
    [() => matmul(x, input([3, 2], "float64")), "matmul: dtypes float32 and float64 differ. Cast one."],
    [() => matmul(x, input([3])), "matmul: at least 2 axes expected, got [3]. Reshape vectors first."],
    [
      () => conv2d(image, input([4, 2, 3, 3])),
      "conv2d: w must be [O, 3, K, L], got [4, 2, 3, 3] (axis 1: expected 3, got 2).",
    ],
    [
      () => conv2d(image, input([4, 1, 3, 3]), undefined, { groups: 2 }),
      "conv2d: 2 groups do not divide 3 input channels.",
    ],
    [
      () => conv2d(image, input([4, 1, 3, 3]), undefined, { groups: 3 }),
      "conv2d: 3 groups do not divide 4 output channels.",
    ],
    [
      () => conv2d(image, input([4, 3, 3, 3]), undefined, { stride: 0 }),
      "conv2d: stride and groups must be integers >= 1, padding one >= 0, got 0, 1 and 0.",
    ],
    [
      () => convTranspose2d(image, input([3, 1, 3, 3]), { padding: 0.5 }),
      "convTranspose2d: stride and groups must be integers >= 1, padding one >= 0, got 1, 1 and 0.5.",
    ],
    [() => conv2d(image, input([1, 3, 5, 5])), "conv2d: kernel 5 x 5 exceeds the padded image [1, 3, 4, 4]."],
    [
      () => convTranspose2d(image, input([3, 1, 3, 3]), { stride: 2 }, [0, 2]),
      "convTranspose2d: output padding must be in [0, stride), got [0, 2] and [2, 2].",
    ],
    [
      () => convTranspose2d(image, input([3, 1, 1, 1]), { padding: 2 }),
      "convTranspose2d: padding [2, 2] leaves nothing of the image [1, 1, 0, 0].",
    ],
    [() => resizeNearest(image, 0), "resizeNearest: scale must be an integer >= 1, got 0."],
    [() => averagePool(image, 3), "averagePool: 4 x 4 pixels are not a multiple of 3. Crop or pad first."],
    [() => loop(2, [x], () => [sum(x)]), "loop: state 0 must stay float32 [2, 3], became float32 []."],
    [() => loop(2, [x], () => []), "loop: 1 states enter a turn, 0 leave it."],
    [() => loop(-1, [x], () => [x]), "loop: turns must be an integer >= 0 or an int64 scalar, got -1."],
    [() => vjp([x], [x], []), "vjp: cotangent 0 must be [2, 3], got none."],
    [() => vjp([x], [x], [image]), "vjp: cotangent 0 must be [2, 3], got [1, 3, 4, 4]."],
  ] as const)("%s", (build, message) => {
    const failure = caught(build);
    expect((failure as Error).message).toBe(message);
    expect(isErrorOf(failure, "ShapeError")).toBe(true);
  });
});

function caught(build: () => unknown): unknown {
  try {
    return build();
  } catch (error) {
    return error;
  }
}

test("an operator without a gradient is named", () => {
  const y = node({ name: "Erf" }, [x], x.shape);
  const failure = caught(() => vjp([y], [x], [x]));
  expect(isErrorOf(failure, "UnsupportedOpError")).toBe(true);
  expect((failure as Error).message).toMatch(/^vjp: the operator Erf has no gradient\. /);
  expect(vjp([y], [image], [x])[0]!.shape).toEqual(image.shape);
});
