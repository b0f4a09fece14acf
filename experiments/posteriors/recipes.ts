/** Sizes of the comparison of posterior methods on a Gaussian mixture. */
export interface PosteriorsRecipe {
  /** Random operators, each with one observation. Medians are over them. */
  readonly observations: number;
  /** Draws in each of the sets that are compared. */
  readonly samples: number;
  /** Sampler steps. */
  readonly steps: readonly number[];
  /** Particles of twisted sampling, with the largest number of steps. */
  readonly particles: readonly number[];
  /** Noise levels at which p(x_t | y) is compared with its approximations. */
  readonly sigmas: readonly number[];
  /** Weighted draws of x_t for each set. */
  readonly proposals: number;
}

export const RECIPES = {
  laptop: {
    observations: 4,
    samples: 256,
    steps: [8, 32, 128],
    particles: [1, 4, 16, 64, 256],
    sigmas: [0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    proposals: 4096,
  },
  smoke: { observations: 1, samples: 32, steps: [4, 8], particles: [1, 4], sigmas: [0.1, 1], proposals: 256 },
} as const satisfies Readonly<Record<string, PosteriorsRecipe>>;
