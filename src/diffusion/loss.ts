import { add, mean, mul, square, sub, sum, type Tensor } from "../graph/index.ts";
import { type Denoiser, lossWeight, perSample } from "./denoiser.ts";

/**
 * Denoising score matching: mean over the batch of lambda_t |d(x + sigma_t z, sigma_t) - x|^2 / N
 * [Rozet24, eq. 4; the mean over the N features is the reference code's].
 * @param x clean samples, [B, ...]
 * @param sigma_t [B]
 * @param z standard normal noise, same shape as x
 * @param weight share of each sample in the mean, [B]; zero leaves padding out. Default 1 / B each.
 * @returns scalar
 */
export function denoisingLoss(
  denoiser: Denoiser,
  x: Tensor,
  sigma_t: Tensor,
  z: Tensor,
  weight?: Tensor,
): Tensor {
  const x_t = add(x, mul(perSample(sigma_t, x), z));
  const features = x.shape.flatMap((_, axis) => (axis > 0 ? [axis] : []));
  const errors = mul(lossWeight(sigma_t), mean(square(sub(denoiser(x_t, sigma_t), x)), features));
  return weight ? sum(mul(errors, weight)) : mean(errors);
}
