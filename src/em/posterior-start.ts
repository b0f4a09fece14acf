import { ConfigError } from "../core/errors.ts";
import { kindInCoordinates } from "../data/coordinates.ts";
import type { ObservationKind } from "../data/observations.ts";
import { noiseLevels, type Schedule } from "../diffusion/schedule.ts";
import { type GaussianSampler, gaussianSampler } from "../gaussian/sampler.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { Model } from "./model.ts";
import type { PosteriorJob } from "./sampling.ts";

/** How the way of a posterior draw begins. */
export interface StartChoice {
  /** Steps of the sampler. */
  readonly steps: number;
  /** Level at which it begins, in the user's units; null or left out: the largest. */
  readonly gaussianStart?: number | null;
  /** Observations drawn for together. */
  readonly batch: number;
}

/**
 * The noise levels that a posterior draw visits.
 * @param unit of the schedule's coordinates
 * @throws ConfigError unless it begins above the smallest level and within the range that the network is trained for
 */
export function posteriorLevels(
  schedule: Schedule,
  { steps, gaussianStart }: Pick<StartChoice, "steps" | "gaussianStart">,
  unit = 1,
): number[] {
  const sigmaMax = typeof gaussianStart === "number" ? gaussianStart / unit : schedule.sigmaMax;
  if (!(sigmaMax > schedule.sigmaMin && sigmaMax <= schedule.sigmaMax))
    throw new ConfigError(
      `eStep.gaussianStart must be above the smallest noise level (${schedule.sigmaMin * unit}) and at most the largest (${schedule.sigmaMax * unit}), got ${gaussianStart}. Take null to begin at the largest.`,
    );
  return noiseLevels({ ...schedule, sigmaMax }, steps);
}

/** What of a job follows from the choice. Release it when done. */
export interface PosteriorStart extends Pick<PosteriorJob, "levels" | "begin"> {
  release(): Promise<void>;
}

/**
 * The noise levels that a posterior draw visits, and what it begins from: exact draws x of the Gaussian start's posterior in
 * the noise of the first level, x_1 = x + sigma_1 z. Under so much noise the posteriors of the Gaussian and of the learned
 * prior are nearly the same. A model that does not build on the Gaussian (base "normal", the paper) begins from pure noise
 * around the prior's mean, as in [Rozet24, algorithm 2], unless the choice names a level.
 */
export async function posteriorStart(
  model: Model,
  kind: ObservationKind,
  choice: StartChoice,
  engine: EngineOptions,
): Promise<PosteriorStart> {
  const levels = posteriorLevels(model.schedule, choice, model.coordinates?.unit);
  if (typeof choice.gaussianStart !== "number" && model.base === "normal")
    return { levels, release: () => Promise.resolve() };
  const begin = await startSampler(model, kind, choice.batch, engine);
  return { levels, begin, release: () => begin.release() };
}

/** The exact sampler of the Gaussian start's posteriors, for observations in the model's coordinates. */
export async function startSampler(
  { gaussian, coordinates }: Pick<Model, "gaussian" | "coordinates">,
  kind: ObservationKind,
  most: number,
  engine: EngineOptions,
): Promise<GaussianSampler> {
  return await gaussianSampler(
    gaussian,
    coordinates ? kindInCoordinates(kind, coordinates) : kind,
    most,
    engine,
  );
}
