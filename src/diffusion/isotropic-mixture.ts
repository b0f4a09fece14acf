import { NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";

/** K Gaussians N(m_k, s^2 I) of equal weights in N dimensions, on the host in float64. */
export interface IsotropicMixture {
  /** m, row-major [K, N] */
  readonly means: Float64Array;
  readonly dimensions: number;
  /** s^2 */
  readonly variance: number;
}

/** What x_t tells about the number a' x: p(a' x | x_t) is a mixture of normals of one variance. */
export interface Projection {
  /** Probability of each component given x_t, [K]. */
  readonly shares: Float64Array;
  /** Mean of a' x under each component, [K], and the variance that all have. */
  readonly centres: Float64Array;
  readonly within: number;
  /** a' E[x | x_t] and a' V[x | x_t] a. */
  readonly mean: number;
  readonly variance: number;
}

/** Components further below the likeliest than this are left out: e^-40 is nothing in float64. */
const NEGLIGIBLE = 40;

/** n draws of x_t = x + sigma_t z, row-major [n, N]. */
export function drawNoisy(mixture: IsotropicMixture, sigma_t: number, n: number, rng: Rng): Float64Array {
  const { means, dimensions: N, variance } = mixture;
  const deviation = Math.sqrt(variance + sigma_t ** 2);
  const x_t = new Float64Array(n * N);
  for (let i = 0; i < n; i++) {
    const k = rng.integer(means.length / N);
    for (let d = 0; d < N; d++) x_t[i * N + d] = means[k * N + d]! + deviation * rng.normal();
  }
  return x_t;
}

/**
 * The exact posterior of a' x given x_t: with c = sigma_t^2 / (s^2 + sigma_t^2) and r_k the probability of component k,
 *   a' x | x_t, k ~ N(c a' m_k + (1 - c) a' x_t, c s^2 |a|^2),   r = softmax_k(-|x_t - m_k|^2 / 2 (s^2 + sigma_t^2))
 *   V[a' x | x_t] = c s^2 |a|^2 + c^2 V_r[a' m_k]
 * @returns a function of x_t [N]; what it returns is overwritten by its next call
 */
export function projector(
  mixture: IsotropicMixture,
  a: Float64Array,
  sigma_t: number,
): (x_t: Float64Array) => Projection {
  const { means, dimensions: N, variance } = mixture;
  const K = means.length / N;
  const total = variance + sigma_t ** 2;
  const c = sigma_t ** 2 / total;
  const dot = (v: Float64Array, start: number) => a.reduce((sum, value, d) => sum + value * v[start + d]!, 0);
  const projected = Float64Array.from({ length: K }, (_, k) => dot(means, k * N));
  const within = c * variance * dot(a, 0);
  const [shares, centres] = [new Float64Array(K), new Float64Array(K)];
  return (x_t) => {
    let least = Number.POSITIVE_INFINITY;
    for (let k = 0; k < K; k++) {
      let distance = 0;
      for (let d = 0; d < N; d++) distance += (x_t[d]! - means[k * N + d]!) ** 2;
      shares[k] = distance;
      least = Math.min(least, distance);
    }
    let sum = 0;
    for (let k = 0; k < K; k++) {
      const exponent = (shares[k]! - least) / (2 * total);
      shares[k] = exponent < NEGLIGIBLE ? Math.exp(-exponent) : 0;
      sum += shares[k]!;
    }
    const own = (1 - c) * dot(x_t, 0);
    let mean = 0;
    for (let k = 0; k < K; k++) {
      shares[k]! /= sum;
      centres[k] = c * projected[k]! + own;
      mean += shares[k]! * centres[k]!;
    }
    let between = 0;
    for (let k = 0; k < K; k++) between += shares[k]! * (centres[k]! - mean) ** 2;
    return { shares, centres, within, mean, variance: within + between };
  };
}

/** ln N(y | mean, variance) */
export function logNormal(y: number, mean: number, variance: number): number {
  return -0.5 * ((y - mean) ** 2 / variance + Math.log(2 * Math.PI * variance));
}

/** ln p(y | x_t) for y = a' x + noise, exactly. */
export function logLikelihood(
  { shares, centres, within }: Projection,
  y: number,
  noiseVariance: number,
): number {
  const variance = within + noiseVariance;
  let least = Number.POSITIVE_INFINITY;
  for (let k = 0; k < shares.length; k++)
    if (shares[k]! > 0)
      least = Math.min(least, (y - centres[k]!) ** 2 / (2 * variance) - Math.log(shares[k]!));
  let sum = 0;
  for (let k = 0; k < shares.length; k++) {
    if (shares[k] === 0) continue;
    const exponent = (y - centres[k]!) ** 2 / (2 * variance) - Math.log(shares[k]!) - least;
    if (exponent < NEGLIGIBLE) sum += Math.exp(-exponent);
  }
  return Math.log(sum) - least - 0.5 * Math.log(2 * Math.PI * variance);
}

/**
 * Indices of n draws with probabilities proportional to exp(logWeights), with replacement.
 * @throws NumericalError if a log weight is NaN or +infinity, or none is above -infinity
 */
export function resample(logWeights: Float64Array, n: number, rng: Rng): Uint32Array {
  const top = logWeights.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  if (!Number.isFinite(top))
    throw new NumericalError(
      `resampling: expected finite weights, found a largest log weight of ${top}. Raise the noise's variance.`,
    );
  const cumulative = new Float64Array(logWeights.length);
  let total = 0;
  logWeights.forEach((value, i) => {
    total += Math.exp(value - top);
    cumulative[i] = total;
  });
  return Uint32Array.from({ length: n }, () => {
    const at = rng.uniform() * total;
    let [lo, hi] = [0, cumulative.length - 1];
    while (lo < hi) {
      const middle = (lo + hi) >> 1;
      if (cumulative[middle]! > at) hi = middle;
      else lo = middle + 1;
    }
    return lo;
  });
}
