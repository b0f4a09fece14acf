import { add, mean, mul, square, sub, sum, type Tensor } from "../graph/index.ts";
import { type Base, normalBase } from "./base.ts";
import { type Denoiser, perSample } from "./denoiser.ts";

/**
 * Errors of a denoiser in units of what the base leaves open, |V^(-1/2) (d(x + s z, s) - x)|^2 / N with V = V[x | x_t] of
 * the base. N(0, I) gives lambda_s |d - x|^2 / N, lambda_s = 1 / s^2 + 1 [Rozet24, appendix C; the mean over the N
 * features is the reference code's]. With a Gaussian of the data's moments the base itself has 1 at every level.
 * @param x clean samples, [B, ...]
 * @param sigma_t [B]
 * @param z standard normal noise, same shape as x
 * @returns [B]
 */
export function denoisingErrors(
  denoiser: Denoiser,
  x: Tensor,
  sigma_t: Tensor,
  z: Tensor,
  base: Base = normalBase,
): Tensor {
  const x_t = add(x, mul(perSample(sigma_t, x), z));
  const features = x.shape.flatMap((_, axis) => (axis > 0 ? [axis] : []));
  const { gather } = base(x_t, sigma_t);
  return mean(square(gather(sub(denoiser(x_t, sigma_t), x))), features);
}

/** Options of `denoisingLoss`. */
export interface LossOptions {
  /** Share of each sample in the mean, [B]; zero for padding. Default 1 / B each. */
  readonly weight?: Tensor;
  /** The base in whose units errors are. Default N(0, I). */
  readonly base?: Base;
}

/**
 * Denoising score matching [Rozet24, eq. 4]: the mean of `denoisingErrors` over the batch.
 * @returns scalar
 */
export function denoisingLoss(
  denoiser: Denoiser,
  x: Tensor,
  sigma_t: Tensor,
  z: Tensor,
  { weight, base }: LossOptions = {},
): Tensor {
  const errors = denoisingErrors(denoiser, x, sigma_t, z, base);
  return weight ? sum(mul(errors, weight)) : mean(errors);
}
