import { type Grid, gridOf } from "../core/grid.ts";
import { sizeOf } from "../core/shape.ts";
import { alongCosines, cosineWork } from "./cosines.ts";
import { symmetricEigenpairs } from "./eigen.ts";
import type { GaussianModel } from "./observed-covariance.ts";

/**
 * The closest Gaussian whose cosines are independent: each channel has one mean, and entries vary together as sums of
 * cosines over the places whose strengths are independent from one frequency to the next, as those of a process to which all
 * places are alike nearly are [Ahmed74]. It has far fewer numbers to learn, so a few observations tell them. With the orthonormal
 * cosines c_f and the channels' covariance at a frequency,
 *   T = sum over f of c_f c_f' (x) T_f,   T_f = D I + c_f' (U U' + d d') c_f,   d = mean - mean over places
 * As D' I and r columns again: the largest eigenvalues of T are its own, and D' is the mean of the others.
 * @param shape of a latent: [C, ...lengths], or [N] for a line of numbers
 * @param most largest r
 */
export function stationary(
  { mean, residual: D, factor, rank }: GaussianModel,
  shape: readonly number[],
  most: number,
): GaussianModel {
  const N = mean.length;
  const { channels: C, lengths } = placesOf(shape);
  const places = sizeOf(lengths);
  const level = levelMeans(mean, places);
  const width = rank + 1;
  const columns = new Float64Array(N * width);
  for (let j = 0; j < N; j++) {
    for (let a = 0; a < rank; a++) columns[j * width + a] = factor[j * rank + a]!;
    columns[j * width + rank] = mean[j]! - level[j]!;
  }
  const strengths = alongCosines(columns, lengths, width, "analysis");
  const found: Direction[] = [];
  for (let f = 0; f < places; f++) {
    const { values, vectors } = symmetricEigenpairs(channelCovariance(strengths, f, C, places, width), C);
    for (const [a, value] of values.entries())
      found.push({ value, f, channels: Float64Array.from({ length: C }, (_, c) => vectors.get(c, a)) });
  }
  found.sort((a, b) => b.value - a.value);
  const count = Math.min(most, N - 1, found.filter(({ value }) => value > 0).length);
  const rest = D + found.slice(count).reduce((sum, { value }) => sum + value, 0) / (N - count);
  const kept = new Float64Array(N * count);
  for (const [a, { value, f, channels }] of found.slice(0, count).entries()) {
    const length = Math.sqrt(Math.max(value + D - rest, 0)); // below 0 by rounding only
    for (let c = 0; c < C; c++) kept[(c * places + f) * count + a] = length * channels[c]!;
  }
  return {
    mean: level,
    residual: rest,
    factor: alongCosines(kept, lengths, count, "synthesis"),
    rank: count,
  };
}

/** Multiplications that `stationary` takes, about. */
export function stationaryWork(shape: readonly number[], rank: number): number {
  const { channels, lengths } = placesOf(shape);
  return sizeOf(shape) * (2 * rank * cosineWork(lengths) + 10 * channels ** 2);
}

/** A latent's grid; vectors are one channel on a line. */
function placesOf(shape: readonly number[]): Grid {
  return gridOf(shape) ?? { channels: 1, lengths: [sizeOf(shape)] };
}

/** An eigenvector of T: a frequency and how strongly each channel takes part. */
interface Direction {
  readonly value: number;
  readonly f: number;
  readonly channels: Float64Array;
}

/** c_f' X X' c_f, [C, C], of strengths c' X [C places, k]. */
function channelCovariance(
  strengths: Float64Array,
  f: number,
  C: number,
  places: number,
  k: number,
): Float64Array {
  const out = new Float64Array(C * C);
  for (let c = 0; c < C; c++)
    for (let d = 0; d <= c; d++) {
      let total = 0;
      const [left, right] = [(c * places + f) * k, (d * places + f) * k];
      for (let a = 0; a < k; a++) total += strengths[left + a]! * strengths[right + a]!;
      out[c * C + d] = out[d * C + c] = total;
    }
  return out;
}

/** The mean of each channel, for each of its entries. */
function levelMeans(mean: Float64Array, places: number): Float64Array {
  const out = new Float64Array(mean.length);
  for (let first = 0; first < mean.length; first += places) {
    const own = mean.subarray(first, first + places);
    out.fill(own.reduce((sum, value) => sum + value, 0) / places, first, first + places);
  }
  return out;
}
