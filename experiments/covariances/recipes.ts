/** Sizes of the comparison of covariances. */
export interface CovariancesRecipe {
  /** Random curves, each with its own measurement. */
  readonly manifolds: number;
  /** Gaussians along each curve. */
  readonly components: number;
  /** Draws of x_t that are weighted by p(y | x_t) and q(y | x_t). */
  readonly proposals: number;
  /** Draws of each posterior, compared by Sinkhorn divergence. */
  readonly samples: number;
  readonly iterations: number;
  readonly sigmas: readonly number[];
}

/** Standard deviation of the Gaussians around points of the curve, and of the measurement's noise. */
export const THICKNESS = 1e-2;
export const NOISE = 1e-2;

export const RECIPES = {
  paper: {
    manifolds: 64,
    components: 256,
    proposals: 2 ** 20,
    samples: 16384,
    iterations: 1024,
    sigmas: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
  },
  laptop: {
    manifolds: 64,
    components: 256,
    proposals: 2 ** 14,
    samples: 128,
    iterations: 100,
    sigmas: [0.01, 0.03, 0.1, 0.3, 1, 3, 10],
  },
  smoke: { manifolds: 3, components: 64, proposals: 2 ** 12, samples: 64, iterations: 50, sigmas: [0.1, 1] },
} as const satisfies Readonly<Record<string, CovariancesRecipe>>;
