import { type Denoiser, perSample } from "../diffusion/denoiser.ts";
import {
  add,
  div,
  expand,
  greater,
  maximum,
  mul,
  scalar,
  square,
  sub,
  type Tensor,
  vjp,
  where,
} from "../graph/index.ts";
import { linearize } from "./linearize.ts";
import { explain, noiseCovariance } from "./noise.ts";
import type { Measurement } from "./posterior.ts";

/**
 * Tweedie moment projected diffusion [Boys23, with its diagonal approximation by row sums]: Tweedie's covariance, and
 * A V A' replaced by the diagonal matrix of its row sums, so that nothing is left to solve.
 *   x_hat = d(x_t),  J = d x_hat / d x_t,  V = sigma_t^2 J',  r = y - A x_hat
 *   E[x | x_t, y] ~= x_hat + V A' (r / (Sigma_y + A V A' 1))
 * Exact for a Gaussian prior where A V A' is diagonal; elsewhere row sums count correlations as variance. Differs from
 * the paper where row sums are negative, which no variance is: they are taken as 0, and where Sigma_y is 0 as well the
 * entry guides nothing. Noise that entries share, Sigma_y = diag(d) + L L', is no part of the row sums: that system of
 * diagonal plus low rank is solved exactly.
 * Cost: two vector-Jacobian products. An operator that is not linear is linearized at x_hat.
 */
export function tmpd(denoiser: Denoiser, measurement: Measurement): Denoiser {
  const { y } = measurement;
  const { diagonal, factor } = noiseCovariance(measurement.variance);
  return (x_t, sigma_t) => {
    const x_hat = denoiser(x_t, sigma_t);
    const { predicted, apply } = linearize(measurement, x_hat);
    const variance_t = square(perSample(sigma_t, x_t));
    const pulled = (v: Tensor) => mul(variance_t, vjp([predicted], [x_t], [v])[0]!);
    const rowSums = maximum(apply(pulled(expand(scalar(1), y.shape))), 0);
    const total = add(rowSums, diagonal);
    const informative = greater(total, 0);
    const weights = where(informative, div(1, where(informative, total, 1)), 0);
    const r = sub(y, predicted);
    const v = mul(weights, factor ? explain(weights, factor, r).rest : r);
    return add(x_hat, pulled(v));
  };
}
