import { sizeOf } from "../core/shape.ts";
import {
  add,
  div,
  matmul,
  mul,
  reciprocal,
  reshape,
  sqrt,
  square,
  sub,
  type Tensor,
} from "../graph/index.ts";

/** A covariance Sigma = D I + U U' whose U has orthogonal columns: on each of them a number, beside them another. */
export interface PrincipalCovariance {
  /** D, positive. */
  readonly variance: number;
  /** U, [N, r], and the squared lengths of its columns, [1, r]; undefined for r = 0. */
  readonly directions?: { readonly factor: Tensor; readonly lengths: Tensor };
}

/** A linear map on rows [B, ...]. */
export type RowMap = (v: Tensor) => Tensor;

/** The maps that give a correction of a Gaussian's denoiser unit scale. */
export interface GaussianRoots {
  /** V^(1/2), where V = (Sigma^-1 + s^-2 I)^-1 is the covariance of x given x_t. */
  readonly spread: RowMap;
  /** V^(-1/2) */
  readonly gather: RowMap;
}

/**
 * Roots at noise levels s = sigma_t. A function of Sigma is f(D) v + U diag((f(D + l) - f(D)) / l) U' v. With E = D + s^2,
 * the differences without cancellation are
 *   f = V^(1/2):               c = (s^2 / E) (s^2 / (E + l)) / (p + q),   p = s (D / E)^(1/2), q = s ((D + l) / (E + l))^(1/2)
 *   f = V^(-1/2):              -c / (p q)
 * @param sigma_t [B], or [1] if the batch shares its noise level
 */
export function gaussianRoots(
  { variance: D, directions }: PrincipalCovariance,
  sigma_t: Tensor,
): GaussianRoots {
  const s = reshape(sigma_t, [sizeOf(sigma_t.shape), 1]);
  const noise = square(s);
  const E = add(noise, D);
  const p = mul(s, sqrt(div(D, E)));
  if (!directions) return { spread: scaling(p), gather: scaling(reciprocal(p)) };
  const { factor, lengths } = directions;
  const [D_l, E_l] = [add(lengths, D), add(E, lengths)];
  const q = mul(s, sqrt(div(D_l, E_l)));
  const c = div(mul(div(noise, E), div(noise, E_l)), add(p, q));
  return {
    spread: principalMap(factor, p, c),
    gather: principalMap(factor, reciprocal(p), div(sub(0, c), mul(p, q))),
  };
}

/** v -> scale v on [B, ...], scale [B, 1] or [1, 1]. */
function scaling(scale: Tensor): RowMap {
  return (v) => mul(v, reshape(scale, [-1, ...v.shape.slice(1).map(() => 1)]));
}

/** v -> scale v + U diag(coefficients) U' v, coefficients [B, r] or [1, r]. */
function principalMap(factor: Tensor, scale: Tensor, coefficients: Tensor): RowMap {
  return (v) => {
    const flat = reshape(v, [v.shape[0]!, -1]);
    const inside = matmul(mul(matmul(flat, factor), coefficients), factor, { transB: true });
    return reshape(add(mul(flat, scale), inside), v.shape);
  };
}
