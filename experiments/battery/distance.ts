/** How far samples are from a truth: the sliced energy distance. */
import { Rng } from "../../src/core/random.ts";
import { deviationOf, meanOf } from "./statistics.ts";

/** An estimate of a squared distance and its standard error; below 0 at times where the distance is small. */
export interface Squared {
  readonly squared: number;
  readonly error: number;
}

/** Directions that samples are projected on, the same for all. */
const DIRECTIONS = 64;
/** Points of the reference for each sample. */
const DENSITY = 16;
/** Blocks of samples behind a standard error. */
const BLOCKS = 8;

/**
 * Distances of sets of n samples x from a truth, of which y are many more samples:
 *   D^2 = mean over directions u of  2 E|u'x - u'y| - E|u'x - u'x'| - E|u'y - u'y'|,   over the truth's typical deviation
 * [Szekely13]. It is 0 for the truth alone, grows as the square of a shift or of the share of samples in the wrong place,
 * and the means over pairs of different samples make its estimate right on average for any n. The error is that of
 * the mean of eight blocks of the samples.
 * @param draw samples of the truth, row-major [count, N]
 * @param n samples of each set; a multiple of 8
 * @param deviation of the truth
 * @returns a function of samples, row-major [n, N]
 */
export function distanceTo(
  draw: (count: number, rng: Rng) => Float32Array,
  n: number,
  N: number,
  deviation: number,
): (samples: Float32Array) => Squared {
  const rng = new Rng(0).split("energy distance", N, n);
  const directions = unitVectors(N === 1 ? 1 : DIRECTIONS, N, rng.split("directions"));
  const y = draw(n * DENSITY, rng.split("reference"));
  const references = directions.map((u) => {
    const sorted = project(y, u);
    return { sorted, within: meanWithin(sorted) };
  });
  const squared = (x: Float32Array) =>
    meanOf(
      directions.map((u, d) => {
        const { sorted, within } = references[d]!;
        const along = project(x, u);
        return 2 * meanBetween(along, sorted) - meanWithin(along) - within;
      }),
    ) / deviation;
  return (samples) => {
    const blocks = Array.from({ length: BLOCKS }, (_, b) =>
      squared(samples.subarray((b * n * N) / BLOCKS, ((b + 1) * n * N) / BLOCKS)),
    );
    return { squared: squared(samples), error: deviationOf(blocks) / Math.sqrt(BLOCKS) };
  };
}

/** D, 0 where the estimate of its square is negative. */
export function rootOf({ squared }: Squared): number {
  return Math.sqrt(Math.max(squared, 0));
}

function unitVectors(count: number, N: number, rng: Rng): Float64Array[] {
  return Array.from({ length: count }, () => {
    const u = new Float64Array(N);
    rng.fillNormal(u);
    const length = Math.hypot(...u);
    return u.map((value) => value / length);
  });
}

/** u'x of each sample, sorted. */
function project(x: Float32Array, u: Float64Array): Float64Array {
  const N = u.length;
  const out = new Float64Array(x.length / N);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let j = 0; j < N; j++) sum += u[j]! * x[i * N + j]!;
    out[i] = sum;
  }
  return out.sort();
}

/** Mean |a_i - a_j| over i != j of sorted numbers: 2 / (n (n - 1)) sum_i (2 i - n + 1) a_i, i from 0. */
function meanWithin(sorted: Float64Array): number {
  const n = sorted.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (2 * i - n + 1) * sorted[i]!;
  return (2 * sum) / (n * (n - 1));
}

/** Mean |a - b| over all pairs of sorted numbers. */
function meanBetween(few: Float64Array, many: Float64Array): number {
  const total = many.reduce((sum, value) => sum + value, 0);
  let [below, sumBelow, sum] = [0, 0, 0];
  for (const a of few) {
    while (below < many.length && many[below]! < a) sumBelow += many[below++]!;
    sum += a * (2 * below - many.length) + total - 2 * sumBelow;
  }
  return sum / (few.length * many.length);
}
