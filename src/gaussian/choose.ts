import type { Rng } from "../core/random.ts";
import { climb, logLikelihood, type Range } from "./fit.ts";
import type { LinearObservations } from "./linear-observations.ts";
import type { GaussianModel } from "./observed-covariance.ts";

/** Smallest rank that is tried where there are more entries. */
const FIRST_RANK = 8;
/** Log-likelihood per measured number that is worth another step, or a larger rank. */
const WORTH = { step: 3e-4, rank: 1e-3 } as const;
/** Steps without a better held-out likelihood after which a rank is done. */
const PATIENCE = 4;

export interface ChooseOptions {
  /** Largest rank. */
  readonly rank: number;
  /** Most steps at each rank. */
  readonly iterations: number;
  /** Observations to fit to, at most, at a rank: a step's work grows with its square. */
  readonly affordable: (rank: number) => number;
  readonly signal?: AbortSignal | undefined;
  /** Told after each step, of `most` at this rank. */
  readonly onStep?:
    | ((step: { readonly rank: number; readonly taken: number; readonly most: number }) => void)
    | undefined;
}

/**
 * The Gaussian that explains held-out observations best: ranks 8, 16, 32, ... are fitted by `climb` one after the other,
 * each from the one before, and each until the held-out likelihood no longer rises; so the number of steps and the
 * rank, which both let a Gaussian follow its data ever more closely, are chosen by data that it does not follow.
 */
export async function chooseGaussian(
  linear: LinearObservations,
  training: Range,
  heldOut: Range,
  N: number,
  rng: Rng,
  { rank, iterations, affordable, signal, onStep }: ChooseOptions,
): Promise<{ readonly gaussian: GaussianModel; readonly score: number }> {
  const most = Math.min(rank, Math.max(N - 1, 0));
  let best: { gaussian: GaussianModel; score: number } | undefined;
  let current: GaussianModel = {
    mean: new Float64Array(N),
    residual: 1,
    factor: new Float64Array(0),
    rank: 0,
  };
  const ranks = [0];
  for (let r = most <= 2 * FIRST_RANK ? most : FIRST_RANK; r > 0; r = r >= most ? 0 : Math.min(2 * r, most))
    ranks.push(r);
  for (const r of ranks) {
    const before = best?.score ?? Number.NEGATIVE_INFINITY;
    current = widen(best?.gaussian ?? current, r, rng.split("columns", r));
    let [taken, since] = [0, 0];
    let reached = Number.NEGATIVE_INFINITY;
    const [first, end] = training;
    const used: Range = [first, Math.min(end, first + affordable(r))];
    for await (const gaussian of climb(linear, used, current, rng, signal)) {
      const held = await logLikelihood(linear, heldOut, gaussian, rng);
      const score = held.total / held.measured;
      if (score > reached + WORTH.step) since = 0;
      else since++;
      reached = Math.max(reached, score);
      if (!best || score > best.score) best = { gaussian, score };
      onStep?.({ rank: r, taken, most: iterations });
      if (taken++ >= iterations || since >= PATIENCE) break;
    }
    if (r > 0 && best!.score < before + WORTH.rank) break;
  }
  return best!;
}

/** The same Gaussian with columns more: small and random, for the likelihood to turn and lengthen. */
function widen({ mean, residual, factor, rank }: GaussianModel, to: number, rng: Rng): GaussianModel {
  const N = mean.length;
  const wide = new Float64Array(N * to);
  const size = Math.sqrt(residual / N);
  for (let j = 0; j < N; j++)
    for (let a = 0; a < to; a++) wide[j * to + a] = a < rank ? factor[j * rank + a]! : size * rng.normal();
  return { mean, residual, factor: wide, rank: to };
}
