import { float32 } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { kindsOf, meanEntries, type ObservationSet } from "../data/observations/observation-set.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { beginningOf, type ChooseOptions, chooseGaussian, ranksUpTo } from "./choose.ts";
import { crossGram, times } from "./dense.ts";
import { symmetricEigenpairs } from "./eigen.ts";
import { type LinearBatch, type LinearObservations, linearObservations } from "./linear-observations.ts";
import type { GaussianModel } from "./observed-covariance.ts";
import { stationaryWork } from "./stationary.ts";

/** What decides the fit. */
export interface FitConfig {
  /** Largest rank. */
  readonly rank: number;
  /** Steps of EM at each rank, at most. */
  readonly iterations: number;
  /** Observations used, at most. */
  readonly observations: number;
}

/** Share of the observations whose likelihood chooses the rank and the number of steps. */
const HELD_OUT = 0.1;
/** Measured numbers for each number of the covariance by which ranks are compared. */
const TELLING = 32;
/** Those of a step below which a rank is not tried: even stopped early, a covariance would only follow so few observations. */
const TOLD = 1 / 4;
/** Multiplications of a step of EM: more observations than these are for are left out, but for so few. */
const STEP_WORK = 3e9;
const LEAST = { training: 64, heldOut: 16 } as const;
/** Observations that judge a step over those that it is for, at most: so many numbers each tell enough. */
const JUDGING = 1 / 4;
/** Multiplications that take as long as reading a number of a matrix of columns some ten times: of 16^3 volumes 500 to 700. */
const PASSED = 600;

/** Fits to a set of observations, whose systems are made once. Release it when done. */
export interface GaussianFits {
  /**
   * Fits N(mean, D I + U U') by EM [Rozet24, section 4.1], U of a rank that held-out observations choose, with orthogonal
   * columns: the start of EM.
   */
  fit(config: FitConfig, rng: Rng, options?: Pick<ChooseOptions, "signal" | "onStep">): Promise<Gaussian>;
  /** Multiplications that a fit takes, about, with one step at each rank. */
  work(size: FitSize): number;
  release(): Promise<void>;
}

/** What decides how much work a fit is. */
export type FitSize = Pick<FitConfig, "rank" | "observations">;

export async function gaussianFits(
  observations: ObservationSet,
  engine: EngineOptions = {},
): Promise<GaussianFits> {
  const { latentShape } = observations.header;
  const linear = await linearObservations(observations, engine, "fit");
  const scale = await scaleOf(linear, observations);
  return {
    fit: async (config, rng, options = {}) => {
      const { rank, training, heldOut } = partsOfFit(scale, config);
      const { gaussian } = await chooseGaussian(
        linear,
        [0, training],
        heldOut > 0 ? [training, training + heldOut] : [0, training],
        latentShape,
        rng,
        {
          rank,
          alike: isAlikeTried(latentShape, rank),
          iterations: config.iterations,
          isTold: scale.isTold,
          affordable: scale.affordable,
          telling: scale.telling,
          ...options,
        },
      );
      return principal(gaussian, latentShape);
    },
    work: (size) => {
      const { rank, training, heldOut } = partsOfFit(scale, size);
      const step = (r: number, most: number) =>
        (scale.work(r) + PASSED * scale.numbers(r)) *
        (Math.min(training, scale.affordable(r), most) + heldOut);
      const growing = [0, ...ranksUpTo(rank).filter(scale.isTold)];
      const grown = growing.reduce((sum, r) => sum + step(r, scale.telling(r)), 0);
      const alike = isAlikeTried(latentShape, rank)
        ? LONGER * step(rank, beginningOf(scale.affordable(rank)))
        : 0;
      return grown + alike + step(rank, training);
    },
    release: linear.release,
  };
}

/** One fit. */
export async function fitGaussian(
  observations: ObservationSet,
  config: FitConfig,
  rng: Rng,
  engine: EngineOptions = {},
  options: Pick<ChooseOptions, "signal" | "onStep"> = {},
): Promise<Gaussian> {
  const fits = await gaussianFits(observations, engine);
  try {
    return await fits.fit(config, rng, options);
  } finally {
    await fits.release();
  }
}

/** Whether a Gaussian to whom all places are alike is tried; its path is longer than others by this factor. */
const isAlikeTried = (shape: readonly number[], rank: number) => stationaryWork(shape, rank) <= STEP_WORK;
const LONGER = 4;

/** How many observations a step at a rank r is for. */
interface Scale {
  readonly count: number;
  /** The largest rank that there can be. */
  readonly most: number;
  /** Multiplications for one observation, and numbers of its matrices of columns. */
  readonly work: (r: number) => number;
  readonly numbers: (r: number) => number;
  /** Those that are affordable, and those that tell whether a larger rank is worth it. */
  readonly affordable: (r: number) => number;
  readonly telling: (r: number) => number;
  readonly isTold: (r: number) => boolean;
}

async function scaleOf(linear: LinearObservations, observations: ObservationSet): Promise<Scale> {
  const N = sizeOf(observations.header.latentShape);
  const entries = meanEntries(observations);
  const isShared = kindsOf(observations).every((kind) => kind.observations.isShared);
  const work = await workOf(linear, observations);
  const affordable = (r: number) => Math.max(LEAST.training, Math.floor(STEP_WORK / work(r)));
  return {
    count: observations.count,
    most: Math.max(N - 1, 0),
    work,
    numbers: (r) => entries * (isShared ? 1 : r + 1),
    affordable,
    telling: (r) => Math.max(LEAST.training, Math.ceil((TELLING * N * (r + 1)) / entries)),
    isTold: (r) => affordable(r) * entries >= TOLD * N * (r + 1),
  };
}

/** A fit's largest rank, and how many observations it is to and is judged by: no more of these than a step is for. */
function partsOfFit({ count, most, affordable }: Scale, size: FitSize) {
  const rank = Math.min(size.rank, most);
  const all = Math.min(size.observations, count);
  const judging = Math.max(LEAST.heldOut, Math.ceil(JUDGING * affordable(rank)));
  const heldOut = all > 1 ? Math.min(Math.max(1, Math.round(all * HELD_OUT)), judging) : 0;
  return { rank, training: all - heldOut, heldOut };
}

/** Multiplications that a step takes for one observation, by the rank: those of the first of each kind, on average. */
async function workOf(linear: LinearObservations, set: ObservationSet): Promise<(rank: number) => number> {
  const works: ((rank: number) => number)[] = [];
  for (const { numbers, observations } of kindsOf(set))
    for await (const { batch } of linear.batches([numbers[0]!, numbers[0]! + 1])) {
      const share = numbers.length / set.count;
      const work = workOfOne(batch, observations.isShared);
      works.push((r) => share * work(r));
    }
  return (r) => works.reduce((total, work) => total + work(r), 0);
}

function workOfOne(
  { measured, isDiagonal, dense }: LinearBatch,
  isShared: boolean | undefined,
): (rank: number) => number {
  const M = measured[0]!;
  const solving = (r: number) => 3 * (M + r) * Math.min(M, r + 1) ** 2;
  // Its axes are found once, at some 50 times M^3 over as many steps; A is applied to the columns of U and of what pulls at them.
  if (dense && !isShared) return (r) => solving(r) + M ** 3 + 4 * dense * (r + 1);
  if (dense) return (r) => 4 * dense + 4 * M * (r + 1);
  if (isDiagonal) return solving;
  // The operator itself is applied to each column, some ten times.
  return (r) => (r + 1) * (3 * (M + r) * (r + 1) + 20 * Math.sqrt(M) * M);
}

/** The same Gaussian with orthogonal columns, longest first, in float32. */
function principal(
  { mean, residual, factor, rank }: GaussianModel,
  latentShape: readonly number[],
): Gaussian {
  const N = sizeOf(latentShape);
  const width = Math.max(rank, 1);
  const columns = new Float32Array(N * width);
  if (rank > 0) {
    const { vectors } = symmetricEigenpairs(crossGram(factor, rank, factor, rank), rank);
    columns.set(times(factor, rank, Float64Array.from(vectors.to1DArray()), rank));
  }
  return {
    mean: float32(Float32Array.from(mean)),
    diagonal: float32(new Float32Array(N).fill(residual)),
    factor: float32(columns, [N, width]),
  };
}
