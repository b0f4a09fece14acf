/** Sizes of the comparison of E-steps by their network evaluations. */
export interface EvaluationsRecipe {
  /** Draws behind each figure of a way to draw. */
  readonly draws: number;
  /** Prior samples behind an EM run's figure, and their steps. */
  readonly priorSamples: number;
  readonly priorSteps: number;
  /** Steps of the plain method in EM. */
  readonly plainSteps: number;
  /** Steps of the plain method's curve. */
  readonly curve: readonly number[];
  /** Digits observed. */
  readonly observations: number;
  /** Laid over the demo's configuration. */
  readonly config: object;
}

const FEW_FIGURES = { gallery: 12, prior: 12, every: 1000 };

export const EVALUATIONS_RECIPES = {
  laptop: {
    draws: 1000,
    priorSamples: 1000,
    priorSteps: 40,
    plainSteps: 12,
    curve: [6, 12, 24],
    observations: 12_000,
    config: {
      em: { iterations: 8, finalObservations: 1000 },
      mStep: { finalSteps: 400 },
      figures: FEW_FIGURES,
    },
  },
  tiny: {
    draws: 64,
    priorSamples: 64,
    priorSteps: 4,
    plainSteps: 4,
    curve: [2, 4],
    observations: 256,
    config: {
      start: { iterations: 4, observations: 256 },
      em: { iterations: 3, observations: 64, finalObservations: 64 },
      mStep: { steps: 4, finalSteps: 4 },
      figures: FEW_FIGURES,
    },
  },
} as const satisfies Readonly<Record<string, EvaluationsRecipe>>;
