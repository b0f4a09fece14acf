import { inCoordinates } from "../data/observations/coordinates.ts";
import type { Observations } from "../data/observations/observations.ts";
import { logLikelihood } from "../gaussian/fit.ts";
import { linearObservations } from "../gaussian/linear-observations.ts";
import { gaussianModel } from "../gaussian/sampler.ts";
import type { Rng } from "../core/random.ts";
import type { DrawOptions } from "../inference/draw-source.ts";
import type { Model } from "../inference/model.ts";
import { compileGuided, type DrawChoice } from "../inference/posterior.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/** ln q(y) of observations under a prior q. */
export interface Evidence {
  /** Natural logarithm of the density of y in the user's units, for each observation. */
  readonly each: Float64Array;
  /** Numbers that were measured of each: entries of y that no mask hides. */
  readonly measured: Float64Array;
}

/** A mean and its standard error. */
export interface Estimate {
  readonly mean: number;
  readonly error: number;
}

/**
 * The evidence of the Gaussian start in closed form, ln N(y; A mean, A Sigma A' + Sigma_y). Where A A' is not diagonal and
 * observations have more than 64 numbers, the determinants are estimates (`observedCovariance`).
 * @param rng of those estimates
 */
export async function gaussianEvidence(
  { gaussian, coordinates }: Pick<Model, "gaussian" | "coordinates">,
  observations: Observations,
  rng: Rng,
  engine: EngineOptions = {},
): Promise<Evidence> {
  const own = coordinates ? inCoordinates(observations, coordinates) : observations;
  const linear = await linearObservations(own, engine);
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
  /** Draws of each observation, over which its estimate is the mean. */
  readonly draws: number;
  /** The random stream of draw s of observation `index`. */
  readonly stream: (index: number, s: number) => Rng;
}

/**
 * By how much ln q(y) of a learned prior q is above that of the Gaussian start, for each observation: the mean of
 * `evidenceGain` over draws along which moment matching, or another method, guides. Exact for Gaussians but for the steps; of
 * 32 steps that leaves .01 for each measured number, and .02 where the prior has two clusters far apart. Where the guidance is not
 * E[x | x_t, y] the estimate is too low (mixtures: up to .2 for an observation that hardly tells the clusters apart).
 * @throws NumericalError if a draw is not finite, AbortedError if stopped
 */
export async function evidenceGains(
  model: Model,
  observations: Observations,
  choice: DrawChoice,
  { draws, stream, onEvent, ...options }: GainOptions,
  engine: EngineOptions = {},
): Promise<Float64Array> {
  const { count } = observations;
  await using source = await compileGuided(
    model,
    observations,
    { ...choice, particles: 1, evidence: true },
    engine,
  );
  const gains = new Float64Array(count);
  for (let s = 0; s < draws; s++) {
    const drawn = source.draw([0, count], {
      ...options,
      stream: (index) => stream(index, s),
      onEvent: (event) => onEvent?.({ ...event, done: event.done + s * count, total: draws * count }),
    });
    for await (const { first, gain } of drawn)
      for (const [i, value] of gain!.data.entries()) gains[first + i]! += value / draws;
  }
  return gains;
}

/** Evidence with what a learned prior gains over the one it began as. */
export function withGains({ each, measured }: Evidence, gains: Float64Array): Evidence {
  return { each: each.map((value, i) => value + gains[i]!), measured };
}

/**
 * The evidence per measured number, sum_i ln q(y_i) / sum_i M_i, and its standard error over observations, that of a ratio of
 * sums. The error counts both how observations differ and how their estimates scatter.
 */
export function perNumber({ each, measured }: Evidence): Estimate {
  const n = each.length;
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  const numbers = sum(measured);
  const mean = sum(each) / numbers;
  const squares = sum(each.map((value, i) => (value - mean * measured[i]!) ** 2));
  return { mean, error: n > 1 ? Math.sqrt((squares * n) / (n - 1)) / numbers : Number.POSITIVE_INFINITY };
}

/** By how much the evidence per measured number of the same observations rises from one prior to another, and its error. */
export function rise(from: Evidence, to: Evidence): Estimate {
  return perNumber({ each: to.each.map((value, i) => value - from.each[i]!), measured: to.measured });
}
