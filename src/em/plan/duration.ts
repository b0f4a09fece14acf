import type { FitSize } from "../../gaussian/start.ts";
import type { TrainConfig } from "../config/config.ts";
import { observationRange } from "../course.ts";
import { evidenceDraws } from "../held-out/evidence.ts";
import { drawsEach, scoredCount } from "../held-out/score.ts";
import { isPictured } from "../pictured.ts";

/** Seconds that the parts of a run take on a machine. */
export interface Rates {
  /** The Gaussian start. */
  readonly start: (size: FitSize) => number;
  /** A posterior draw by diffusion. */
  readonly draw: number;
  /** An optimizer step. */
  readonly step: number;
  /** Compiling a sampler, which each iteration does anew: the weights are constants in it. */
  readonly compile: number;
}

/** Observations that are trained on, and those held out. */
export interface Sizes {
  readonly training: number;
  readonly heldOut: number;
  /** See `firstGuided`. */
  readonly firstGuided: 1 | 2;
}

/** Draws by diffusion in the whole run, those that judge M-steps and held-out observations and fill galleries included. */
export function drawsOf(config: TrainConfig, { training, heldOut, firstGuided }: Sizes): number {
  const { em, figures, eStep } = config;
  const scored = scoredCount(config, training, heldOut);
  const forScores = scored > 0 ? drawsEach(config, scored) * scored : 0;
  // A prior sample takes no product with a Jacobian, which is about half of a draw.
  const pictured = figures.gallery + (figures.prior * figures.priorSteps) / eStep.steps / 2;
  let draws = 0;
  for (let k = 1; k <= em.iterations; k++) {
    // Those of the Gaussian are in closed form.
    if (k >= firstGuided) draws += observationRange(config, training, k).count + scored;
    draws += forScores + evidenceDraws(config, k) * scored + (isPictured(k, em.iterations) ? pictured : 0);
  }
  return draws;
}

/** Optimizer steps in the whole run. */
export function stepsOf({ em, mStep }: TrainConfig): number {
  return (em.iterations - 1) * mStep.steps + mStep.finalSteps;
}

/** Seconds of the whole run. */
export function secondsOf(config: TrainConfig, sizes: Sizes, rates: Rates): number {
  return (
    fixedSeconds(config, sizes, rates) + drawsOf(config, sizes) * rates.draw + stepsOf(config) * rates.step
  );
}

/** Seconds that neither draws nor optimizer steps take. */
export function fixedSeconds(config: TrainConfig, sizes: Sizes, rates: Rates): number {
  const { em, start } = config;
  const { heldOut, firstGuided } = sizes;
  let compiled = 0;
  for (let k = 1; k <= em.iterations; k++)
    compiled +=
      Number(k >= firstGuided) + scorers(config, heldOut, k) + (isPictured(k, em.iterations) ? 2 : 0);
  return rates.start(start) + compiled * rates.compile;
}

/** Samplers that judge the prior of iteration k by held-out observations. */
function scorers(config: TrainConfig, heldOut: number, k: number): number {
  return heldOut > 0 ? 1 + Number(evidenceDraws(config, k) > 0) : 0;
}
