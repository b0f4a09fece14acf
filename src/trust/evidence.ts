import type { Rng } from "../core/random.ts";
import { inCoordinates } from "../data/observations/coordinates.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import { logLikelihood } from "../gaussian/fit.ts";
import { linearObservations } from "../gaussian/linear-observations.ts";
import { gaussianModel } from "../gaussian/sampler.ts";
import type { DrawOptions } from "../inference/draw-source.ts";
import type { Model } from "../inference/model.ts";
import { compileGuided, type DrawChoice } from "../inference/posterior.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type Estimate, estimateOf, meanOf } from "./clusters.ts";

/** ln q(y) of observations under a prior q. */
export interface Evidence {
  /** Natural logarithm of the density of y in the user's units, for each observation. */
  readonly each: Float64Array;
  /** Numbers that were measured of each: entries of y that no mask hides. */
  readonly measured: Float64Array;
  /** What is likely missing in each, in nats, see `combineDraws`; left out of a closed form. */
  readonly slack?: Float64Array;
}

/** What draws tell of the rise of ln q(y) for each observation. */
export type Gains = Pick<Evidence, "each"> & Required<Pick<Evidence, "slack">>;

/**
 * Nats per measured number that do no harm: what a normal number's predicted variance being off by a factor f costs is
 * (f - 1 - ln f) / 2, .019 at f = 1.3, the tolerance of the noise's verdict.
 */
export const NATS = (0.3 - Math.log(1.3)) / 2;

/**
 * The evidence of the Gaussian start in closed form, ln N(y; A mean, A Sigma A' + Sigma_y). Where A A' is not diagonal and
 * observations have more than 64 numbers, the determinants are estimates (`observedCovariance`).
 * @param rng of those estimates
 */
export async function gaussianEvidence(
  { gaussian, coordinates }: Pick<Model, "gaussian" | "coordinates">,
  observations: ObservationSet,
  rng: Rng,
  engine: EngineOptions = {},
): Promise<Evidence> {
  const own = inCoordinates(observations, coordinates);
  const linear = await linearObservations(own, engine, "solve");
  try {
    const found = await logLikelihood(linear, [0, observations.count], gaussianModel(gaussian), rng);
    const measured = Float64Array.from(found.numbers);
    const unit = Math.log(coordinates?.unit ?? 1); // y / unit has unit^M times the density of y
    return { each: Float64Array.from(found.each, (value, i) => value - measured[i]! * unit), measured };
  } finally {
    await linear.release();
  }
}

/** What draws for the evidence need besides what other draws do. */
export interface GainOptions extends Omit<DrawOptions, "stream" | "levels"> {
  /** Draws of each observation: one, or pairs of them. */
  readonly draws: number;
  /** The random stream of draw s of observation `index`. */
  readonly stream: (index: number, s: number) => Rng;
}

/**
 * By how much ln q(y) of a learned prior q is above that of the Gaussian start, for each observation, by `evidenceGain` along
 * draws that the posterior method guides, each alone (no particles): see `combineDraws`.
 * Exact for Gaussians but for the steps: 32 of them leave .01 for each measured number.
 * @throws NumericalError if a draw is not finite, AbortedError if stopped
 */
export async function evidenceGains(
  model: Model,
  observations: ObservationSet,
  choice: DrawChoice,
  { draws, stream, onEvent, ...options }: GainOptions,
  engine: EngineOptions = {},
): Promise<Gains> {
  const { count } = observations;
  const alone = { ...choice, particles: 1, evidence: true };
  await using source = await compileGuided(model, observations, alone, engine);
  const gains = Array.from({ length: draws }, () => new Float64Array(count));
  for (const [s, own] of gains.entries()) {
    const drawn = source.draw([0, count], {
      ...options,
      stream: (index) => stream(index, s),
      onEvent: (event) => onEvent?.({ ...event, done: event.done + s * count, total: draws * count }),
    });
    for await (const { first, gain } of drawn) own.set(gain!.data, first);
  }
  return combineDraws(gains);
}

/**
 * The mean over pairs of draws of ln((e^a + e^b) / 2), a and b what the two estimate; a draw without a partner counts as it is.
 * e^a is a weight of importance sampling: its mean is the ratio of the densities of y whatever guides the draws, where a
 * itself is too low by half the variance that poor guidance causes, and by any amount where a draw ends in a cluster that y
 * rules out. The mean of two halves the first and replaces the second by its partner; that of many would be too high, by half
 * the variance that the steps cause. By as much as pairs rise over single draws, those of more draws would rise again: the slack.
 * Where it is large, the method does not guide as the prior would, and the estimate is a loose lower bound.
 */
export function combineDraws(gains: readonly Float64Array[]): Gains {
  const pairs = Array.from({ length: Math.ceil(gains.length / 2) }, (_, p) => {
    const [one, other = one] = gains.slice(2 * p, 2 * p + 2) as [Float64Array, Float64Array?];
    return one.map((a, i) => {
      const b = other[i]!;
      return Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b))) - Math.LN2;
    });
  });
  const mean = (of: readonly Float64Array[], i: number) =>
    of.reduce((sum, values) => sum + values[i]!, 0) / of.length;
  const each = pairs[0]!.map((_, i) => mean(pairs, i));
  return { each, slack: each.map((value, i) => value - mean(gains, i)) };
}

/** Evidence with what a learned prior gains over the one it began as. */
export function withGains({ each, measured }: Evidence, { each: gains, slack }: Gains): Evidence {
  return { each: each.map((value, i) => value + gains[i]!), measured, slack };
}

/**
 * The evidence per measured number, sum_i ln q(y_i) / sum_i M_i, and its standard error over observations, that of a ratio of
 * sums. The error counts both how observations differ and how their estimates scatter.
 */
export function perNumber({ each, measured }: Evidence): Estimate {
  const numbers = meanOf(measured);
  const total = meanOf(each) / numbers;
  const { error, freedom } = estimateOf(each.map((value, i) => (value - total * measured[i]!) / numbers));
  return { mean: total, error, freedom };
}

/** By how much the evidence per measured number of the same observations rises from one prior to another, and its error. */
export function rise(from: Evidence, to: Evidence): Estimate {
  return perNumber({ each: to.each.map((value, i) => value - from.each[i]!), measured: to.measured });
}

/** What is likely missing in the evidence per measured number, at least. */
export function slackOf({ slack, measured }: Evidence): number {
  return slack ? perNumber({ each: slack, measured }).mean : 0;
}

/**
 * Whether an evidence is a lower bound and no estimate: more is missing in it than does no harm. Its standard error then says
 * nothing, for it is that of the bound. Whoever tells or uses an evidence asks this.
 * @param slack nats per measured number (`slackOf`); left out of a closed form, null if it is not finite
 */
export function isLowerBound(slack: number | null | undefined): boolean {
  return slack === null || (slack !== undefined && !(slack <= NATS));
}
