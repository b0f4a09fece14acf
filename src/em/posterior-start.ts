import { ConfigError } from "../core/errors.ts";
import type { ObservationKind } from "../data/observations.ts";
import { noiseLevels, type Schedule } from "../diffusion/schedule.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { compileGaussianSampler } from "./gaussian-draws.ts";
import type { Model } from "./model.ts";
import type { PosteriorJob } from "./sampling.ts";

/** How the way of a posterior draw begins. */
export interface StartChoice {
  /** Steps of the sampler. */
  readonly steps: number;
  /** Level at which draws of the Gaussian start's posterior are taken up; null or left out: pure noise at the largest. */
  readonly gaussianStart?: number | null;
  /** Observations drawn for together. */
  readonly batch: number;
}

/**
 * The noise levels that a posterior draw visits.
 * @throws ConfigError unless it begins above the smallest level and within the range that the network is trained for
 */
export function posteriorLevels(
  schedule: Schedule,
  { steps, gaussianStart }: Pick<StartChoice, "steps" | "gaussianStart">,
): number[] {
  const sigmaMax = gaussianStart ?? schedule.sigmaMax;
  if (!(sigmaMax > schedule.sigmaMin && sigmaMax <= schedule.sigmaMax))
    throw new ConfigError(
      `eStep.gaussianStart must be above schedule.sigmaMin (${schedule.sigmaMin}) and at most schedule.sigmaMax (${schedule.sigmaMax}), got ${sigmaMax}. Take null to begin at the largest level.`,
    );
  return noiseLevels({ ...schedule, sigmaMax }, steps);
}

/** What of a job follows from the choice. Release it when done. */
export interface PosteriorStart extends Pick<PosteriorJob, "levels" | "begin"> {
  release(): Promise<void>;
}

/**
 * The noise levels that a posterior draw visits, and what it begins from: pure noise around the prior's mean, as in
 * [Rozet24, algorithm 2], or exact draws x of the Gaussian start's posterior, x_1 = x + sigma_1 z. Under so much noise
 * the posteriors of the Gaussian and of the learned prior are nearly the same, and the network is spared the way there.
 */
export async function posteriorStart(
  model: Model,
  kind: ObservationKind,
  choice: StartChoice,
  engine: EngineOptions,
): Promise<PosteriorStart> {
  const levels = posteriorLevels(model.schedule, choice);
  if (typeof choice.gaussianStart !== "number") return { levels, release: () => Promise.resolve() };
  const begin = await compileGaussianSampler(model, kind, choice.batch, engine);
  return { levels, begin, release: () => begin.release() };
}
