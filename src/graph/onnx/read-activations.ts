/** ONNX operators that networks put between their layers, as composites of the graph's. Derivatives at kinks are those of PyTorch. */

import * as ops from "../ops/elementwise.ts";
import type { Tensor } from "../tensor.ts";
import type { NodeReader } from "./node-reader.ts";
import type { Builder } from "./read-arrays.ts";

const unary =
  (f: (x: Tensor, n: NodeReader) => Tensor): Builder =>
  (n) =>
    f(n.input(0), n);

/** ln(1 + e^x) = (x + |x|) / 2 + ln(1 + e^-|x|): without overflow, and with the derivative 1/2 at 0. */
function softplus(x: Tensor): Tensor {
  const size = ops.abs(x);
  return ops.add(ops.mul(ops.add(x, size), 0.5), ops.log(ops.add(ops.exp(ops.neg(size)), 1)));
}

/** x P(z <= x), z standard normal; or its approximation by tanh [Hendrycks16]. */
function gelu(x: Tensor, n: NodeReader): Tensor {
  const half = ops.mul(x, 0.5);
  if (n.text("approximate", "none") === "none")
    return ops.mul(half, ops.add(ops.erf(ops.mul(x, Math.SQRT1_2)), 1));
  const inner = ops.mul(x, ops.add(ops.mul(ops.square(x), 0.044715), 1));
  return ops.mul(half, ops.add(ops.tanh(ops.mul(inner, Math.sqrt(2 / Math.PI))), 1));
}

/** alpha x + beta within [0, 1]. */
function hardSigmoid(x: Tensor, alpha: number, beta: number): Tensor {
  return ops.minimum(1, ops.maximum(0, ops.add(ops.mul(x, alpha), beta)));
}

/** f(x) above 0, g(x) elsewhere; g is given no positive x, where it might overflow. */
function byZero(x: Tensor, above: (x: Tensor) => Tensor, below: (x: Tensor) => Tensor): Tensor {
  const isAbove = ops.greater(x, 0);
  return ops.where(isAbove, above(x), below(ops.minimum(x, 0)));
}

const expm1 = (x: Tensor) => ops.sub(ops.exp(x), 1);

/** Builders by the type of the node. */
export const ACTIVATION_BUILDERS: Readonly<Record<string, Builder>> = {
  Relu: unary((x) => ops.maximum(0, x)),
  LeakyRelu: unary((x, n) => ops.where(ops.greater(x, 0), x, ops.mul(x, n.float("alpha", 0.01)))),
  PRelu: (n) => ops.where(ops.greater(n.input(0), 0), n.input(0), ops.mul(n.input(0), n.input(1))),
  Elu: unary((x, n) =>
    byZero(
      x,
      (above) => above,
      (below) => ops.mul(expm1(below), n.float("alpha", 1)),
    ),
  ),
  Softplus: unary(softplus),
  Mish: unary((x) => ops.mul(x, ops.tanh(softplus(x)))),
  Erf: unary((x) => ops.erf(x)),
  Gelu: unary(gelu),
  HardSigmoid: unary((x, n) => hardSigmoid(x, n.float("alpha", 0.2), n.float("beta", 0.5))),
  HardSwish: unary((x) => ops.mul(x, hardSigmoid(x, 1 / 6, 0.5))),
};
