import { batchInCoordinates, kindInCoordinates } from "../data/observations/coordinates.ts";
import type { MergedObservations } from "../data/observations/observation-set.ts";
import type { ObservationKind, ObservationSource } from "../data/observations/observations.ts";
import type { Sampler } from "../diffusion/sample.ts";
import { type GaussianSampler, gaussianSampler } from "../gaussian/sampler.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { beginAt } from "./begin.ts";
import { drawByDiffusion } from "./by-diffusion.ts";
import { compileByKind } from "./by-kind.ts";
import type { SamplerChoice } from "./choice.ts";
import type { DrawSource } from "./draw-source.ts";
import { EXACT_BATCH, exactPosterior } from "./exact.ts";
import { posteriorLevels } from "./levels.ts";
import type { Model } from "./model.ts";
import type { PosteriorChoice } from "./posterior-denoiser.ts";
import { posteriorSampler } from "./posterior-sampler.ts";

/** How posterior draws are made. */
export interface DrawChoice extends SamplerChoice, PosteriorChoice {
  /** Steps of the sampler. */
  readonly steps: number;
  /** Noise level at which a draw begins, in the user's units; null or left out: the largest. */
  readonly gaussianStart?: number | null;
  /** Whether draws tell `gain`, what each adds to the evidence of the prior beyond the Gaussian start's. Only without particles. */
  readonly evidence?: boolean;
  /** What a draw begins at: exact draws of the Gaussian start's posterior (default), the prior's mean, or draws of one's own. */
  readonly begin?: "mean" | GaussianSampler;
}

/**
 * Posterior draws q(x | y, A), one for each observation of a set, as the E-step makes them [Rozet24, algorithm 2]: by diffusion,
 * or exactly while the Gaussian start is the prior.
 */
export async function compilePosterior(
  model: Model,
  set: ObservationSource | MergedObservations,
  choice: DrawChoice,
  engine: EngineOptions = {},
): Promise<DrawSource> {
  if (model.parameters || model.denoiser) return await compileGuided(model, set, choice, engine);
  return await compileByKind(set, EXACT_BATCH, async (observations, together) =>
    exactPosterior(model, observations, engine, together),
  );
}

/**
 * The same by diffusion always. A draw begins at an exact draw x of the Gaussian start's posterior in the noise of the first
 * level, x_1 = x + sigma_1 z: under so much noise the posteriors of the Gaussian and of the learned prior are nearly the same.
 * A model that does not build on the Gaussian (base "normal", the paper) begins from noise around the prior's mean, as in
 * [Rozet24, algorithm 2], unless the choice names a level.
 */
export async function compileGuided(
  model: Model,
  set: ObservationSource | MergedObservations,
  choice: DrawChoice,
  engine: EngineOptions = {},
): Promise<DrawSource> {
  return await compileByKind(set, choice.batch, async (observations, batch = choice.batch) =>
    guidedSource(model, observations, { ...choice, batch }, engine),
  );
}

/** Draws for observations of one kind by diffusion. */
async function guidedSource(
  model: Model,
  observations: ObservationSource,
  choice: DrawChoice,
  engine: EngineOptions,
): Promise<DrawSource> {
  const { coordinates, gaussian, schedule } = model;
  const levels = posteriorLevels(schedule, choice, coordinates?.unit);
  const sampler = await posteriorSampler(model, observations, choice, engine);
  const begin = await beginningOf(model, observations, choice, sampler, engine);
  return {
    shape: observations.header.latentShape,
    batch: sampler.batch,
    draw: (range, options) =>
      drawByDiffusion(
        sampler,
        options.levels ?? levels,
        coordinates,
        range,
        options,
        async (part, streams) => {
          const read = await observations.read(...part);
          const batch = coordinates ? batchInCoordinates(read, coordinates) : read;
          const mean = begin ? await beginAt(begin, batch, streams, sampler.particles) : gaussian.mean;
          return { mean, conditions: { ...batch } };
        },
      ),
    [Symbol.asyncDispose]: async () => {
      await sampler.release();
      await begin?.release();
    },
  };
}

async function beginningOf(
  { gaussian, coordinates, base }: Model,
  kind: ObservationKind,
  { begin, gaussianStart }: DrawChoice,
  { batch }: Sampler,
  engine: EngineOptions,
): Promise<GaussianSampler | undefined> {
  if (begin === "mean" || (!begin && typeof gaussianStart !== "number" && base === "normal"))
    return undefined;
  if (begin) return begin;
  const inside = coordinates ? kindInCoordinates(kind, coordinates) : kind;
  return await gaussianSampler(gaussian, inside, batch, engine);
}
