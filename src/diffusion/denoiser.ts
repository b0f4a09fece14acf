import { float32, type HostArray } from "../core/array.ts";
import { add, constant, div, maximum, minimum, reshape, square, sub, type Tensor } from "../graph/index.ts";

/**
 * E[x | x_t]: the mean of clean data given noisy data x_t = x + sigma_t z.
 * @param x_t [B, ...]
 * @param sigma_t [B], or [1] if the batch shares its noise level
 * @returns same shape as x_t
 */
export type Denoiser = (x_t: Tensor, sigma_t: Tensor) => Tensor;

/** Reshapes per-sample values [B] (or [1]) so that they broadcast against x [B, ...]. */
export function perSample(values: Tensor, x: Tensor): Tensor {
  return reshape(values, [-1, ...x.shape.slice(1).map(() => 1)]);
}

/** The same denoiser, whose mean of an x_t is computed once however many ask for it while a graph is built. */
export function remembered(denoiser: Denoiser): Denoiser {
  const known = new WeakMap<Tensor, WeakMap<Tensor, Tensor>>();
  return (x_t, sigma_t) => {
    const means = known.get(x_t) ?? new WeakMap<Tensor, Tensor>();
    const mean = means.get(sigma_t) ?? denoiser(x_t, sigma_t);
    known.set(x_t, means.set(sigma_t, mean));
    return mean;
  };
}

/** The denoiser of a standard normal prior: x_t / (sigma_t^2 + 1). */
export const normalDenoiser: Denoiser = (x_t, sigma_t) => div(x_t, add(square(perSample(sigma_t, x_t)), 1));

/**
 * A denoiser whose means are kept inside the limits of the data, give or take
 * m = min(sigma_t - sigma_0, (hi - lo) / 4): a mean of values in [lo, hi] lies in [lo, hi]. A learned denoiser errs where it was not trained, and the Jacobian that guides it
 * errs more; without limits a few draws in a hundred leave the data for good, with them the next step finds back. The
 * margin leaves a denoiser's ordinary errors alone, which even out: cut off exactly at the limits, those of values on a
 * limit (a black background) would add up to a bias.
 * @param sigmaMin sigma_0, the level of the last step: what samplers return is inside
 */
export function limitMean(denoiser: Denoiser, [low, high]: Limits, sigmaMin: number): Denoiser {
  const [lo, hi] = [constant(low), constant(high)];
  const widest = constant(
    float32(
      low.data.map((value, i) => (high.data[i]! - value) / 4),
      low.shape,
    ),
  );
  return (x_t, sigma_t) => {
    const margin = minimum(maximum(perSample(sub(sigma_t, sigmaMin), x_t), 0), widest);
    return minimum(maximum(denoiser(x_t, sigma_t), sub(lo, margin)), add(hi, margin));
  };
}

/** The smallest and the largest value of each entry, [1, ...] each. */
export type Limits = readonly [low: HostArray<"float32">, high: HostArray<"float32">];
