import { SAMPLERS } from "../../src/diffusion/samplers.ts";
import { noiseLevels, type Schedule, type Spacing } from "../../src/diffusion/schedule.ts";
import type { EStepConfig, TrainConfig } from "../../src/em/config/config.ts";

/** A way to draw posterior samples: what it changes of the plain method. */
export interface Way {
  readonly name: string;
  readonly spacing?: Spacing;
  readonly eStep?: Partial<EStepConfig>;
  /** Noise level to which draws of the iteration before, of the same observations, are taken back. */
  readonly restart?: number;
}

/** Ancestral sampling from the largest level on geometric levels, one step of conjugate gradients at each, as in the paper. */
export const PLAIN = {
  spacing: "geometric",
  eStep: { sampler: "ddpm", cgSteps: 1, covariance: "tweedie", gaussianStart: null, gaussianBelow: null },
} as const satisfies Partial<Way>;

/** Evaluations of the network for one draw. */
export interface Cost {
  readonly forwards: number;
  /** Vector-Jacobian products. */
  readonly products: number;
  readonly total: number;
}

/** A run's noise levels in its coordinates, and the unit of those. */
export interface Levels {
  readonly schedule: Schedule;
  /** Default 1. */
  readonly unit?: number | undefined;
}

/**
 * The levels that the way's draws visit, in the run's coordinates.
 * @param restart in the user's units, as all of eStep
 */
export function levelsOf(
  { schedule, unit = 1 }: Levels,
  { gaussianStart, steps }: EStepConfig,
  restart?: number,
): number[] {
  const start = restart ?? gaussianStart;
  const sigmaMax = start === null ? schedule.sigmaMax : start / unit;
  return noiseLevels({ ...schedule, sigmaMax }, steps);
}

/** What a draw with `mmps` costs: an evaluation, and the products of the solver where it is not spared them. */
export function costOf(levels: readonly number[], eStep: EStepConfig, unit = 1): Cost {
  const each = SAMPLERS[eStep.sampler]().evaluations;
  const visited = levels.slice(0, -1);
  const guided = visited.filter((level) => level >= (eStep.gaussianBelow ?? 0) / unit);
  const forwards = each * visited.length;
  const products = each * guided.length * (eStep.covariance === "tweedie" ? eStep.cgSteps : 1);
  return { forwards, products, total: forwards + products };
}

/** The plain method by steps: the curve that every other way is compared with. */
export const plainWays = (steps: readonly number[]): Way[] =>
  steps.map((T) => ({ name: `plain, T = ${T}`, eStep: { steps: T } }));

const FROM_GAUSSIAN = { gaussianStart: 8, steps: 6 } as const;

/** One change at a time, then those that helped together. */
export const CHANGES: readonly Way[] = [
  { name: "two CG steps, T = 4", eStep: { steps: 4, cgSteps: 2 } },
  { name: "multistep (second order), T = 6", eStep: { sampler: "multistep", steps: 6 } },
  { name: "heun (second order), T = 3", eStep: { sampler: "heun", eta: 0, steps: 3 } },
  { name: "edm spacing, T = 6", spacing: "edm", eStep: { steps: 6 } },
  { name: "cosine spacing, T = 6", spacing: "cosine", eStep: { steps: 6 } },
  { name: "from the Gaussian at 8, T = 6", eStep: FROM_GAUSSIAN },
  { name: "from the Gaussian at 2, T = 6", eStep: { ...FROM_GAUSSIAN, gaussianStart: 2 } },
  { name: "no products below 0.2, T = 12", eStep: { steps: 12, gaussianBelow: 0.2 } },
  { name: "restart at 3, T = 5", restart: 3, eStep: { steps: 5 } },
  { name: "restart at 1, T = 5", restart: 1, eStep: { steps: 5 } },
  {
    name: "from the Gaussian at 8, no products below 0.3, T = 8",
    eStep: { steps: 8, gaussianStart: 8, gaussianBelow: 0.3 },
  },
];

/** The demo's own way, by what it changes of the plain method. */
export function demoName({ schedule, eStep }: Pick<TrainConfig, "schedule" | "eStep">): string {
  const { gaussianStart, gaussianBelow, steps } = eStep;
  return `the demo's: from the Gaussian at ${gaussianStart}, no products below ${gaussianBelow}, ${schedule.spacing} spacing, T = ${steps}`;
}
