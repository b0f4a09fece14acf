/** Judges priors and posterior draws of a cell against its truth. */
import { type HostArray, rows } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import type { Observations } from "../../src/data/observations/observations.ts";
import type { DrawSource } from "../../src/inference/draw-source.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { type Calibration, calibrationOf } from "./calibration.ts";
import { distanceTo, type Squared } from "./distance.ts";
import { drawPosteriors } from "./learn.ts";
import type { Observed } from "./measurements.ts";
import { drawMixture, momentsOfMixture, posteriorOf } from "./mixture.ts";
import { linearSystems } from "./systems.ts";
import type { Truth } from "./truths.ts";

/** How much is drawn to judge a cell. */
export interface Sizes {
  /** Samples of each prior; a multiple of 8. */
  readonly prior: number;
  /** Observations with one posterior draw each, whose distance is measured; a multiple of 8. */
  readonly eStep: number;
  /** Observations with several draws. */
  readonly judged: number;
  /** Draws of each; one less than a multiple of 7. */
  readonly draws: number;
}

/** How far n samples of a prior, or of an E-step, are from the truth; see `distanceTo`. */
export function distancesOf(
  { components, latentShape }: Truth,
  n: number,
): (samples: Float32Array) => Squared {
  const N = sizeOf(latentShape);
  const deviation = Math.sqrt(momentsOfMixture(components).covariance.trace() / N);
  return distanceTo((count, rng) => drawMixture(components, count, rng), n, N, deviation);
}

/** What posterior draws of a cell are compared with. */
export interface PosteriorJudge {
  /** Several draws for each of the first observations. */
  calibration(source: DrawSource): Promise<Calibration>;
  /** One draw for each of many: samples of the truth, if the prior and the draws are exact. */
  distance(source: DrawSource): Promise<Squared>;
}

/**
 * @param latents that were measured, [n, ...latent]
 * @param observations of the same latents, as the run reads them
 */
export async function posteriorJudge(
  truth: Truth,
  latents: HostArray<"float32">,
  observed: Observed,
  observations: Observations,
  sizes: Sizes,
  rng: Rng,
  engine: EngineOptions,
): Promise<PosteriorJudge> {
  const J = Math.min(sizes.judged, observations.count);
  const systems = await linearSystems(observed, J, engine);
  const exact = systems.map(posteriorOf(truth.components));
  return {
    async calibration(source) {
      const draws = await drawPosteriors(source, [J, sizes.draws], rng.split("draws"));
      return calibrationOf(draws, rows(latents, 0, J), exact, systems, rng.split("ranks"));
    },
    async distance(source) {
      const n = 8 * Math.floor(Math.min(sizes.eStep, observations.count) / 8);
      const draws = await drawPosteriors(source, [n, 1], rng.split("one draw"));
      return distancesOf(truth, n)(draws.data);
    },
  };
}
