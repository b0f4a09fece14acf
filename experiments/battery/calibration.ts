/** Whether posterior draws are as wide, and lie as, the exact posterior's: figures with their standard errors. */
import { CholeskyDecomposition, Matrix } from "ml-matrix";
import { type HostArray, rows } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { coverage, drawMoments } from "../../src/metrics/draws.ts";
import type { LinearSystem, PosteriorMoments } from "./mixture.ts";
import { averageOf, type Figure, ratioOf } from "./statistics.ts";

export interface Calibration {
  /** Share of entries of the truth inside the central 90 % interval of their draws. */
  readonly coverage: Figure;
  /** Variance of the draws over that of the exact posterior, summed over entries and observations. */
  readonly spread: Figure;
  /** Root mean square error of the draws' mean over that of the exact posterior's mean and as many exact draws. */
  readonly error: Figure;
  /** Mean of (y - A x)' S^-1 (y - A x) / M over the draws. */
  readonly chiSquare: Figure;
  /** Probability of ranks as uneven as these if draws and truth come from one distribution. */
  readonly ranks: number;
  /** Share of ranks in the outer two of seven bins over 2 / 7: above 1 for draws that are too narrow. */
  readonly edges: Figure;
}

/**
 * Judges draws of posteriors.
 * @param draws [J, S, ...latent], S + 1 a multiple of 7
 * @param truth what was measured, [J, ...latent]
 * @param exact moments, and systems, of the J observations
 * @param rng of the directions that ranks are taken along
 */
export function calibrationOf(
  draws: HostArray<"float32">,
  truth: HostArray<"float32">,
  exact: readonly PosteriorMoments[],
  systems: readonly LinearSystem[],
  rng: Rng,
): Calibration {
  const [J, S, ...shape] = draws.shape as [number, number, ...number[]];
  const N = sizeOf(shape);
  const { mean, deviation } = drawMoments(draws);
  const each = <T>(of: (i: number) => T) => Array.from({ length: J }, (_, i) => of(i));
  const sum = (of: (j: number) => number) => {
    let total = 0;
    for (let j = 0; j < N; j++) total += of(j);
    return total;
  };
  const covered = each((i) => coverage(rows(draws, i, i + 1), rows(truth, i, i + 1), LEVEL));
  const found = each((i) => sum((j) => deviation.data[i * N + j]! ** 2));
  const right = each((i) => sum((j) => exact[i]!.variance[j]!));
  const errors = each((i) => sum((j) => (mean.data[i * N + j]! - truth.data[i * N + j]!) ** 2));
  // The mean of S exact draws has the error of the exact mean and 1 / S of the posterior's variance.
  const best = each((i) => sum((j) => (exact[i]!.mean[j]! - truth.data[i * N + j]!) ** 2) + right[i]! / S);
  const [share, shareError] = ratioOf(errors, best);
  const bins = rankBins(draws, truth, rng);
  return {
    coverage: averageOf(covered),
    spread: ratioOf(found, right),
    error: [Math.sqrt(share), shareError / (2 * Math.sqrt(share))],
    chiSquare: averageOf(each((i) => chiSquareOf(rows(draws, i, i + 1), systems[i]!))),
    ranks: evenness(bins),
    edges: edgesOf(bins),
  };
}

const LEVEL = 0.9;

/** @param draws of one observation, [1, S, ...latent] */
function chiSquareOf(draws: HostArray<"float32">, { A, y, noise }: LinearSystem): number {
  const S = draws.shape[1]!;
  const N = A.columns;
  const x = Matrix.from1DArray(S, N, Array.from(draws.data)).transpose();
  const residuals = A.mmul(x).sub(y.mmul(Matrix.ones(1, S)));
  const weighed = new CholeskyDecomposition(noise).solve(residuals);
  return Matrix.mul(residuals, weighed).sum() / (S * A.rows);
}

const BINS = 7;

/**
 * Simulation-based calibration [Talts18]: the rank of u'x among the u'draws, u a random direction for each observation,
 * is uniform over 0 ... S if draws and truth come from one distribution.
 * @returns numbers of observations in seven equal bins of ranks
 */
function rankBins(draws: HostArray<"float32">, truth: HostArray<"float32">, rng: Rng): number[] {
  const [J, S, ...shape] = draws.shape as [number, number, ...number[]];
  const N = sizeOf(shape);
  const bins = new Array<number>(BINS).fill(0);
  for (let i = 0; i < J; i++) {
    const u = new Float64Array(N);
    rng.fillNormal(u);
    const along = (data: Float32Array, row: number) => {
      let sum = 0;
      for (let j = 0; j < N; j++) sum += u[j]! * data[row * N + j]!;
      return sum;
    };
    const x = along(truth.data, i);
    let rank = 0;
    for (let s = 0; s < S; s++) if (along(draws.data, i * S + s) < x) rank++;
    bins[Math.floor((rank * BINS) / (S + 1))]! += 1;
  }
  return bins;
}

/** P(chi^2 >= c) with six degrees of freedom, c = sum of (n_b - J / 7)^2 / (J / 7): exp(-h) (1 + h + h^2 / 2), h = c / 2. */
function evenness(bins: readonly number[]): number {
  const expected = bins.reduce((a, b) => a + b, 0) / BINS;
  const h = bins.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0) / 2;
  return Math.exp(-h) * (1 + h + h ** 2 / 2);
}

function edgesOf(bins: readonly number[]): Figure {
  const J = bins.reduce((a, b) => a + b, 0);
  const share = (bins[0]! + bins.at(-1)!) / J;
  const scale = BINS / 2;
  return [share * scale, Math.sqrt((share * (1 - share)) / J) * scale];
}
