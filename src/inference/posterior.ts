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

/** The options of posterior draws. */
export interface DrawChoice extends SamplerChoice, PosteriorChoice {
  /** Steps of the sampler. */
  readonly steps: number;
  /** Noise level at which a draw begins, in your units. Default: the largest. */
  readonly gaussianStart?: number | null;
  /** Whether draws have `gain`: what each adds to the evidence of the Gaussian start. Only without particles. */
  readonly evidence?: boolean;
  /** Where a draw begins: at the prior's mean, or at draws of your own. Default: exact draws of the Gaussian start's posterior. */
  readonly begin?: "mean" | GaussianSampler;
}

/**
 * Compiles posterior draws q(x | y, A), one for each observation of a set, as the E-step makes them [Rozet24, algorithm 2]. They
 * are exact while the Gaussian start is the prior, and by diffusion afterwards.
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
 * The same, always by diffusion. A draw begins at x_1 = x + sigma_1 z, where x is an exact draw of the Gaussian start's posterior:
 * under so much noise the posteriors of the Gaussian and of the learned prior are nearly the same. A model that does not build on
 * the Gaussian (base "normal", as in the paper) begins from noise around the prior's mean [Rozet24, algorithm 2], unless the
 * choice names a level.
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
