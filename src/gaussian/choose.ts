import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { dotProduct } from "./dense.ts";
import { type Constraint, climb, logLikelihood, type Range } from "./fit.ts";
import type { LinearObservations } from "./linear-observations.ts";
import type { GaussianModel } from "./observed-covariance.ts";
import { stationary } from "./stationary.ts";

/** Smallest rank that is tried where there are more entries. */
const FIRST_RANK = 8;
/** Log-likelihood per measured number that is worth another step, or a larger rank. */
const WORTH = { step: 3e-4, rank: 1e-3 } as const;
/** Steps without a better held-out likelihood after which a rank is done. */
const PATIENCE = 4;
/**
 * Observations that begin the fit of a spectrum where a step affords four times as many at most: they tell it to a third, for each has
 * one number for each frequency. Of 16^3 volumes they take 43 steps at a quarter of the work, and all of them 6 more. Where steps are
 * cheap this would end lower (photographs, held-out log-likelihood .202 in place of .216).
 */
const FEW = 16;

/** Observations that begin the fit of a spectrum. @param affordable those of a step */
export const beginningOf = (affordable: number) => (affordable > 4 * FEW ? affordable : FEW);
/** A path is left that would need more steps than these, each as good as its last, to pass the best Gaussian so far. */
const FORESEEN = 10;

export interface ChooseOptions {
  /** Largest rank. */
  readonly rank: number;
  /** Whether a Gaussian to whom all places are alike is tried. */
  readonly alike: boolean;
  /** Whether observations that are affordable hold numbers enough for a covariance of a rank that nothing constrains. */
  readonly isTold: (rank: number) => boolean;
  /** Most steps at each rank. */
  readonly iterations: number;
  /** Observations to fit to, at most, at a rank: a step's work grows with its square. */
  readonly affordable: (rank: number) => number;
  /** Observations that tell whether a larger rank is worth it. The last fit is to all that are affordable. */
  readonly telling: (rank: number) => number;
  readonly signal?: AbortSignal | undefined;
  /** Told after each step, of `most` at this rank. */
  readonly onStep?:
    | ((step: { readonly rank: number; readonly taken: number; readonly most: number }) => void)
    | undefined;
}

/** Who was chosen, and the held-out log-likelihood of a measured number. */
export interface ChosenGaussian {
  readonly gaussian: GaussianModel;
  readonly score: number;
}

/**
 * The Gaussian that explains held-out observations best: ranks 8, 16, 32, ... are fitted by `climb` one after the other,
 * each from the one before, and each until the held-out likelihood no longer rises; so the number of steps and the
 * rank, which both let a Gaussian follow its data ever more closely, are chosen by data that it does not follow. After the
 * first rank comes a Gaussian to whom all places are alike. Where observations are few it may explain far more, and `climb`
 * goes on from it; where places differ it loses.
 * @param shape of a latent
 */
export async function chooseGaussian(
  linear: LinearObservations,
  training: Range,
  heldOut: Range,
  shape: readonly number[],
  rng: Rng,
  { rank, alike, isTold, iterations, affordable, telling, signal, onStep }: ChooseOptions,
): Promise<ChosenGaussian> {
  const N = sizeOf(shape);
  const most = Math.min(rank, Math.max(N - 1, 0));
  const first: GaussianModel = {
    mean: new Float64Array(N),
    residual: 1,
    factor: new Float64Array(0),
    rank: 0,
  };
  let best: ChosenGaussian = { gaussian: first, score: Number.NEGATIVE_INFINITY };
  const [begin, end] = training;
  const firstOf = (count: number): Range => [begin, Math.min(end, begin + count)];
  /** @returns the best Gaussian of the path */
  const follow = async (path: AsyncIterable<GaussianModel>, r: number): Promise<GaussianModel> => {
    let [taken, since] = [0, 0];
    let reached = Number.NEGATIVE_INFINITY;
    let own = first;
    for await (const gaussian of path) {
      const held = await logLikelihood(linear, heldOut, gaussian, rng);
      const score = held.total / held.measured;
      if (score > reached + WORTH.step) since = 0;
      else since++;
      const isHopeless = score > reached && score + FORESEEN * (score - reached) < best.score;
      if (score > reached) [reached, own] = [score, gaussian];
      if (score > best.score) best = { gaussian, score };
      onStep?.({ rank: r, taken, most: iterations });
      if (taken++ >= iterations || since >= PATIENCE || isHopeless) break;
    }
    return own;
  };
  const along = async (r: number, count: number, from: GaussianModel, constrain?: Constraint) =>
    await follow(climb(linear, firstOf(Math.min(count, affordable(r))), from, rng, signal, constrain), r);
  /** @returns how much better the best Gaussian became */
  const improve = async (...path: Parameters<typeof along>): Promise<number> => {
    const before = best.score;
    await along(...path);
    return best.score - before;
  };
  const improveAlike = async () => {
    const constrain = (g: GaussianModel) => stationary(g, shape, most);
    const before = best.score;
    const few = beginningOf(affordable(most));
    const begun = await along(most, few, best.gaussian, constrain);
    if (few < affordable(most)) await along(most, end - begin, begun, constrain);
    return best.score - before;
  };
  await improve(0, telling(0), first);
  for (const [i, r] of ranksUpTo(most).filter(isTold).entries()) {
    const more = r - best.gaussian.rank;
    const noise = rng.split("columns", r);
    const random = Float64Array.from({ length: N * more }, () => noise.normal());
    const columns = await seenOf(linear, firstOf(SEEN), random, more);
    const gain = await improve(r, telling(r), widen(best.gaussian, columns, r));
    if (i === 0 && alike && (await improveAlike()) > 0) break;
    if (gain < WORTH.rank) break;
  }
  if (isTold(best.gaussian.rank)) await improve(best.gaussian.rank, end - begin, best.gaussian);
  return best;
}

/** 8, 16, 32, ... and the largest: the ranks that are tried. */
export function ranksUpTo(most: number): number[] {
  if (most === 0) return [];
  const ranks: number[] = [];
  if (most > 2 * FIRST_RANK) for (let r = FIRST_RANK; r < most; r *= 2) ranks.push(r);
  return [...ranks, most];
}

/** The same Gaussian with columns more: small, for the likelihood to turn and lengthen. @param columns [N, to - rank] */
function widen(
  { mean, residual, factor, rank }: GaussianModel,
  columns: Float64Array,
  to: number,
): GaussianModel {
  const N = mean.length;
  const more = to - rank;
  const wide = new Float64Array(N * to);
  const size = Math.sqrt((residual * more) / dotProduct(columns, columns));
  for (let j = 0; j < N; j++)
    for (let a = 0; a < to; a++)
      wide[j * to + a] = a < rank ? factor[j * rank + a]! : size * columns[j * more + a - rank]!;
  return { mean, residual, factor: wide, rank: to };
}

/** Observations by which columns are made of what is seen. */
const SEEN = 64;

/**
 * The sum of A' A C over observations: what operators see of columns C [N, k]. EM lengthens a column with all that is in it, and
 * directions that no operator sees would stay in as they were: a blur's draws would hold high frequencies at random.
 */
async function seenOf(
  linear: LinearObservations,
  range: Range,
  columns: Float64Array,
  k: number,
): Promise<Float64Array> {
  const seen = new Float64Array(columns.length);
  for await (const { batch } of linear.batches(range)) {
    await batch.residual(new Float64Array(columns.length / k)); // an operator that is not linear is linearized there
    await batch.addPulled(await batch.apply(columns, k), k, seen);
  }
  return seen;
}
