import { float32, type HostArray } from "../core/array.ts";
import { expectShape } from "../core/shape.ts";
import {
  add,
  constant,
  div,
  log,
  matmul,
  mul,
  reshape,
  softmax,
  square,
  sub,
  sum,
  type Tensor,
} from "../graph/index.ts";
import type { Denoiser } from "./denoiser.ts";

/** A mixture of K Gaussians on data of N features; covariance k is axes_k' diag(variances_k) axes_k. */
export interface Mixture {
  /** [K], sum 1. */
  readonly weights: HostArray<"float32">;
  /** [K, N] */
  readonly means: HostArray<"float32">;
  /** Variances along the axes, [K, N]. */
  readonly variances: HostArray<"float32">;
  /** Principal axes as rows of orthogonal matrices, [K, N, N]. Default: the coordinate axes. */
  readonly axes?: HostArray<"float32">;
}

/**
 * The exact denoiser of a Gaussian mixture: with r_k the probability of component k given x_t,
 *   E[x | x_t] = sum_k r_k (m_k + S_k (S_k + sigma_t^2 I)^-1 (x_t - m_k)),
 *   r = softmax_k(ln w_k - 1/2 ln det(S_k + sigma_t^2 I) - 1/2 (x_t - m_k)' (S_k + sigma_t^2 I)^-1 (x_t - m_k)).
 * Its Jacobian times sigma_t^2 is V[x | x_t] exactly (Tweedie), which makes it the oracle of every posterior method.
 */
export function mixtureDenoiser({ weights, means, variances, axes }: Mixture): Denoiser {
  const { K, N } = expectShape(means.shape, ["K", "N"], "mixture: means");
  expectShape(weights.shape, [K], "mixture: weights");
  expectShape(variances.shape, [K, N], "mixture: variances");
  if (axes) expectShape(axes.shape, [K, N, N], "mixture: axes");
  const m = constant(float32(means.data, [1, K, N]));
  const S = constant(float32(variances.data, [1, K, N]));
  const Q = axes && constant(float32(axes.data, [1, K, N, N]));
  const logWeights = constant(float32(Array.from(weights.data, Math.log), [1, K]));
  const toAxes = (v: Tensor) => (Q ? reshape(matmul(Q, reshape(v, [-1, K, N, 1])), [-1, K, N]) : v);
  const fromAxes = (v: Tensor) =>
    Q ? reshape(matmul(Q, reshape(v, [-1, K, N, 1]), { transA: true }), [-1, K, N]) : v;
  return (x_t, sigma_t) => {
    const total = add(S, square(reshape(sigma_t, [-1, 1, 1])));
    const along = toAxes(sub(reshape(x_t, [-1, 1, N]), m));
    const energies = sum(add(div(square(along), total), log(total)), [2]);
    const shares = softmax(sub(logWeights, mul(energies, 0.5)));
    const centres = add(m, fromAxes(mul(div(S, total), along)));
    return reshape(sum(mul(reshape(shares, [-1, K, 1]), centres), [1]), x_t.shape);
  };
}
