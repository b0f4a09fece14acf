import { node, type Op, type Tensor } from "../tensor.ts";
import { dropAxes, expand, normalizeAxes, reducedShape, sum } from "./broadcast.ts";
import { cast, div, equal, mul, sub } from "./elementwise.ts";

const reduceMeanOp: Op = {
  name: "ReduceMean",
  lower: ({ attributes: { axes } }) => ({ attributes: { axes, keepdims: 1 } }),
  vjp: (t, g) => [expand(mul(g, 1 / t.attributes.count), t.inputs[0]!.shape)],
};

/** Mean over axes (all by default). */
export function mean(x: Tensor, axes?: readonly number[], keep = false): Tensor {
  const over = normalizeAxes(axes, x.shape.length, "mean");
  if (over.length === 0) return x; // ONNX reads "no axes" as "all axes"
  const count = over.reduce((product, axis) => product * x.shape[axis]!, 1);
  const attributes = { axes: over, count };
  return dropAxes(node(reduceMeanOp, [x], reducedShape(x.shape, over), x.dtype, attributes), over, keep);
}

const reduceMaxOp: Op = {
  name: "ReduceMax",
  lower: ({ attributes: { axes } }) => ({ attributes: { axes, keepdims: 1 } }),
  // Where several elements share the maximum, the cotangent is split evenly.
  vjp: (t, g) => {
    const x = t.inputs[0]!;
    const hits = cast(equal(x, t), "float32");
    return [mul(hits, div(g, sum(hits, t.attributes.axes, true)))];
  },
};

/** Maximum over axes (all by default). */
export function max(x: Tensor, axes?: readonly number[], keep = false): Tensor {
  const over = normalizeAxes(axes, x.shape.length, "max");
  if (over.length === 0) return x;
  return dropAxes(node(reduceMaxOp, [x], reducedShape(x.shape, over), x.dtype, { axes: over }), over, keep);
}

const softmaxOp: Op = {
  name: "Softmax",
  vjp: (t, g) => [mul(t, sub(g, sum(mul(g, t), [t.attributes.axis], true)))],
};

/** exp(x_i) / sum_j exp(x_j) along an axis, computed without overflow. */
export function softmax(x: Tensor, axis = -1): Tensor {
  const [along] = normalizeAxes([axis], x.shape.length, "softmax");
  return node(softmaxOp, [x], x.shape, x.dtype, { axis: along });
}
