import { float32 } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { kindsOf, meanEntries, type ObservationSet } from "../data/observations/observation-set.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type ChooseOptions, chooseGaussian } from "./choose.ts";
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
/** Multiplications of a step of EM: more observations than these are for are left out. */
const STEP_WORK = 3e9;

/**
 * Fits N(mean, D I + U U') to observations by EM [Rozet24, section 4.1], U of a rank that held-out observations choose, with
 * orthogonal columns: the start of EM.
 */
export async function fitGaussian(
  observations: ObservationSet,
  config: FitConfig,
  rng: Rng,
  engine: EngineOptions = {},
  options: Pick<ChooseOptions, "signal" | "onStep"> = {},
): Promise<Gaussian> {
  const { latentShape } = observations.header;
  const entries = meanEntries(observations);
  const N = sizeOf(latentShape);
  const rank = Math.min(config.rank, Math.max(N - 1, 0));
  const count = Math.min(config.observations, observations.count);
  const heldOut = count > 1 ? Math.max(1, Math.round(count * HELD_OUT)) : 0;
  const linear = await linearObservations(observations, engine);
  try {
    const work = await workOf(linear, observations);
    const { gaussian } = await chooseGaussian(
      linear,
      [0, count - heldOut],
      heldOut > 0 ? [count - heldOut, count] : [0, count],
      latentShape,
      rng,
      {
        rank,
        alike: stationaryWork(latentShape, rank) <= STEP_WORK,
        iterations: config.iterations,
        affordable: (r) => Math.max(64, Math.floor(STEP_WORK / work(r))),
        telling: (r) => Math.max(64, Math.ceil((TELLING * N * (r + 1)) / entries)),
        ...options,
      },
    );
    return principal(gaussian, latentShape);
  } finally {
    await linear.release();
  }
}

/** Multiplications that a step takes for one observation, by the rank: those of the first of each kind, on average. */
async function workOf(linear: LinearObservations, set: ObservationSet): Promise<(rank: number) => number> {
  const works: ((rank: number) => number)[] = [];
  for (const { numbers } of kindsOf(set))
    for await (const { batch } of linear.batches([numbers[0]!, numbers[0]! + 1])) {
      const share = numbers.length / set.count;
      const work = workOfOne(batch);
      works.push((r) => share * work(r));
    }
  return (r) => works.reduce((total, work) => total + work(r), 0);
}

function workOfOne({ measured, isDiagonal }: LinearBatch): (rank: number) => number {
  const M = measured[0]!;
  if (isDiagonal) return (r) => 3 * (M + r) * Math.min(M, r + 1) ** 2;
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
