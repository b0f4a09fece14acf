import { expand, scalar, type Tensor, vjp } from "../../graph/index.ts";
import type { Measurement } from "../posterior.ts";

/** A(x) near x_hat: A(x_hat) + H (x - x_hat). */
export interface Linearization {
  /** A(x_hat), [B, ...M] */
  readonly predicted: Tensor;
  /** H u, [B, ...M], for u [B, ...N] */
  readonly apply: (u: Tensor) => Tensor;
  /** H' v, [B, ...N], for v [B, ...M] */
  readonly pull: (v: Tensor) => Tensor;
}

/**
 * Linearizes the operator of a measurement at x_hat, as a Gauss-Newton step does: H = dA/dx at x_hat. A linear operator is its
 * own H. For another, H u is the derivative along u. The map w -> H' w is linear, and its vector-Jacobian product with u is H u
 * for any w.
 */
export function linearize({ operator, linear = true }: Measurement, x_hat: Tensor): Linearization {
  const predicted = operator(x_hat);
  const pull = (v: Tensor) => vjp([predicted], [x_hat], [v])[0]!;
  if (linear) return { predicted, apply: operator, pull };
  const w = expand(scalar(0), predicted.shape);
  const pulled = pull(w);
  return { predicted, apply: (u) => vjp([pulled], [w], [u])[0]!, pull };
}
