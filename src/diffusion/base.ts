import { float32 } from "../core/array.ts";
import { gridOf } from "../core/grid.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import {
  add,
  constant,
  div,
  mean,
  mul,
  reciprocal,
  reshape,
  sqrt,
  square,
  sub,
  type Tensor,
} from "../graph/index.ts";
import { type Denoiser, normalDenoiser, perSample } from "./denoiser.ts";
import { type Gaussian, gaussianConstants, gaussianDenoiser } from "./gaussian.ts";
import { gaussianRoots, type PrincipalCovariance } from "./gaussian-roots.ts";

/** A base at noisy data x_t [B, ...]. */
export interface BaseView {
  /** E[x | x_t] of the base. */
  readonly mean: Tensor;
  /** The input of the network: x_t in units of its deviation. */
  readonly input: Tensor;
  /** The correction that a network's output h stands for: V^(1/2) h, V = V[x | x_t] of the base, h limited. */
  readonly correction: (h: Tensor) => Tensor;
  /** V^(-1/2) e: errors in the units of the network's output. */
  readonly gather: (e: Tensor) => Tensor;
}

/** What a network corrects, and the coordinates in which it does so. */
export type Base = (x_t: Tensor, sigma_t: Tensor) => BaseView;

/** The base N(0, I), as in the paper. */
export const normalBase: Base = (x_t, sigma_t) => {
  const { spread, gather } = gaussianRoots({ variance: 1 }, sigma_t);
  const scale = inverseDeviation(1, x_t, sigma_t);
  return { mean: normalDenoiser(x_t, sigma_t), input: mul(x_t, scale), correction: spread, gather };
};

/** 1 / sqrt(v + s^2), to multiply x_t [B, ...] by. */
function inverseDeviation(v: number, x_t: Tensor, sigma_t: Tensor): Tensor {
  return reciprocal(sqrt(add(square(perSample(sigma_t, x_t)), v)));
}

/** Limit of a correction, in deviations that the Gaussian makes possible. */
export const MOST_DEVIATIONS = 4;

/**
 * Limits h [B, ...] smoothly to a root mean square below b = `MOST_DEVIATIONS`:
 *   h / (1 + (m / b^2)^2)^(1/4),  m = |h|^2 / N
 * h of root mean square 1 change by a thousandth, and what an extrapolating network adds stays within b deviations.
 */
export function limitCorrection(h: Tensor): Tensor {
  const axes = h.shape.flatMap((_, axis) => (axis > 0 ? [axis] : []));
  const m = reshape(mean(square(h), axes), [h.shape[0]!, ...axes.map(() => 1)]);
  return div(h, sqrt(sqrt(add(square(div(m, MOST_DEVIATIONS ** 2)), 1))));
}

/** Variances of the coordinates' directions are at least this share of the mean variance: float32 tells no less apart. */
const LEAST_SHARE = 1e-6;

/**
 * A Gaussian N(mu, Sigma) as a base, with v = tr(Sigma) / N:
 *   input (x_t - c) / sqrt(v + s^2),   correction V^(1/2) h,   V = (Sigma^-1 + s^-2 I)^-1
 * For every distribution with these moments the best h has at most unit mean square, at every level and in every
 * direction. The input is not whitened: with equal sizes for all directions, a network did not find the one direction of 64
 * along which +T and -T differ. Vectors have c = mu, and the V of Sigma if Sigma is in principal form; otherwise V is that of
 * v I. Signals, images and volumes have the V of v I, and one c for each channel, the mean of mu. Their networks treat all places
 * alike, and with mu taken off the same stroke would look different at each place.
 */
export function gaussianBase(gaussian: Gaussian): Base {
  const denoiser: Denoiser = gaussianDenoiser(gaussian);
  const { factor, lengths } = gaussianConstants(gaussian);
  const average = meanVariance(gaussian);
  const isotropic: PrincipalCovariance = { variance: average };
  const principal: PrincipalCovariance = {
    variance: Math.max(gaussian.diagonal.data[0]!, LEAST_SHARE * average),
    ...(lengths && lengths.shape[1]! > 0 && { directions: { factor, lengths } }),
  };
  return (x_t, sigma_t) => {
    const covariance = lengths && x_t.shape.length === 2 ? principal : isotropic;
    const { spread, gather } = gaussianRoots(covariance, sigma_t);
    const scale = inverseDeviation(average, x_t, sigma_t);
    return {
      mean: denoiser(x_t, sigma_t),
      input: mul(sub(x_t, centreOf(gaussian, x_t.shape)), scale),
      correction: (h) => spread(limitCorrection(h)),
      gather,
    };
  };
}

/** What x_t [B, ...] is seen from: the mean, on a grid [B, C, ...lengths] that of each channel. [1, ...] */
function centreOf({ mean: mu }: Gaussian, [, ...shape]: Shape): Tensor {
  const grid = gridOf(shape);
  if (!grid) return constant(float32(mu.data, [1, ...shape]));
  const { channels, lengths } = grid;
  const places = sizeOf(lengths);
  const means = Float32Array.from(
    { length: channels },
    (_, c) => mu.data.subarray(c * places, (c + 1) * places).reduce((a, b) => a + b, 0) / places,
  );
  return constant(float32(means, [1, channels, ...lengths.map(() => 1)]));
}

/** tr(Sigma) / N */
function meanVariance({ diagonal, factor }: Gaussian): number {
  const total = diagonal.data.reduce((sum, variance) => sum + variance, 0);
  return factor.data.reduce((sum, value) => sum + value ** 2, total) / diagonal.data.length;
}
