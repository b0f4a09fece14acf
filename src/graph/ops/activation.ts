import { node, type Op, type Tensor } from "../tensor.ts";
import { normalizeAxes } from "./broadcast.ts";
import { add, mul, reciprocal, sigmoid, sqrt, square, sub } from "./elementwise.ts";
import { mean } from "./reduce.ts";

/*
 * Composites with gradient rules of their own. Differentiated part by part they give the same, with more passes over
 * memory; in a small network those cost more than its matrix products (measured: an MLP of 256 neurons). What a rule
 * needs of the input alone is shared by all products with the same Jacobian, as in the steps of a solver.
 */

const siluOp: Op = {
  name: "Silu",
  expand: (t) => mul(t.inputs[0]!, sigmoid(t.inputs[0]!)),
  // d/dx x s(x) = s + x s (1 - s), with s the sigmoid.
  vjp: (t, g) => {
    const s = sigmoid(t.inputs[0]!);
    return [mul(g, add(s, mul(t, sub(1, s))))];
  },
};

/** x sigmoid(x) [Elfving18]. */
export function silu(x: Tensor): Tensor {
  return node(siluOp, [x], x.shape);
}

const standardizeOp: Op = {
  name: "Standardize",
  expand: (t) => {
    const { centred, inverse } = spread(t);
    return mul(centred, inverse);
  },
  // With y = (x - mean) r: dx = r (g - mean(g) - y mean(g y)), also with epsilon in r.
  vjp: (t, g) => {
    const { axes } = t.attributes as { axes: readonly number[] };
    const along = mul(t, mean(mul(g, t), axes, true));
    return [mul(spread(t).inverse, sub(sub(g, mean(g, axes, true)), along))];
  },
};

/** x - mean and 1 / standard deviation. */
function spread({ inputs: [x], attributes: { axes, epsilon } }: Tensor): {
  centred: Tensor;
  inverse: Tensor;
} {
  const centred = sub(x!, mean(x!, axes, true));
  return { centred, inverse: reciprocal(sqrt(add(mean(square(centred), axes, true), epsilon))) };
}

/** (x - mean) / sqrt(variance + epsilon), moments over some axes. */
export function standardize(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const over = normalizeAxes(axes, x.shape.length, "standardize");
  return node(standardizeOp, [x], x.shape, x.dtype, { axes: over, epsilon });
}
