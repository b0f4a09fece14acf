/** Settings of the experiment on a low-dimensional manifold [Rozet24, section 5.1 and appendix C]. */

export interface ManifoldRecipe {
  /** Pairs (y, A) to learn from. */
  readonly pairs: number;
  /** Limits that draws are kept in; points of the manifold fill [-2, 2]. Undefined: none. */
  readonly range?: readonly [number, number];
  /** Samples a side behind each Sinkhorn divergence, and the sampler steps that they take. */
  readonly evaluation: { readonly samples: number; readonly steps: number };
  /** Fields of the configuration, over the defaults for vectors. */
  readonly config: object;
}

const MLP = { type: "mlp", width: 256, blocks: 3, embedding: 64 } as const;

/** The text: every pair is drawn for in each of 32 iterations, optimizer and learning rate begin anew each time. */
const paper: ManifoldRecipe = {
  pairs: 65_536,
  evaluation: { samples: 16_384, steps: 4096 },
  config: {
    network: { ...MLP, base: "normal" },
    schedule: { sigmaMin: 1e-3, sigmaMax: 1e2 },
    start: { rank: 4, iterations: 16, observations: 65_536 },
    em: {
      iterations: 32,
      observations: 0,
      finalObservations: 0,
      buffer: 1,
      carryOptimizer: false,
      validation: 0,
    },
    eStep: { sampler: "pc", steps: 4096, corrections: 1, tau: 0.1, cgSteps: 3, batch: 1024 },
    mStep: {
      steps: 16_384,
      finalSteps: 16_384,
      batch: 1024,
      learningRate: [1e-3, 1e-6, 1e-6],
      emaDecay: 0,
      timeBeta: [3, 3],
    },
    figures: { gallery: 64, prior: 1024, priorSteps: 256 },
  },
};

/** Where the paper's code differs: levels up to 10, longer training, the Gaussian's covariance, draws within 3. */
const reference: ManifoldRecipe = {
  ...paper,
  range: [-3, 3],
  config: {
    ...paper.config,
    schedule: { sigmaMin: 1e-3, sigmaMax: 1e1 },
    em: {
      iterations: 64,
      observations: 0,
      finalObservations: 0,
      buffer: 1,
      carryOptimizer: false,
      validation: 0,
    },
    eStep: {
      sampler: "pc",
      steps: 4096,
      corrections: 1,
      tau: 0.1,
      covariance: "sigma-x",
      cgSteps: 20,
      tolerance: 1e-3,
      batch: 1024,
    },
    mStep: {
      steps: 65_536,
      finalSteps: 65_536,
      batch: 1024,
      learningRate: [1e-3, 1e-6, 1e-6],
      emaDecay: 0,
      timeBeta: [3, 3],
    },
  },
};

/** Incremental EM for two cores: a sixteenth of the pairs in an iteration, the newest draws to train on. */
const laptop: ManifoldRecipe = {
  pairs: 65_536,
  range: [-2, 2],
  evaluation: { samples: 1024, steps: 256 },
  config: {
    network: { ...MLP, base: "gaussian" },
    schedule: { sigmaMin: 3e-3, sigmaMax: 10, spacing: "cosine" },
    start: { rank: 4, iterations: 16, observations: 8192 },
    em: { iterations: 36, observations: 4096, finalObservations: 8192, buffer: 3 },
    eStep: { sampler: "pc", steps: 96, corrections: 1, tau: 0.5, cgSteps: 3, batch: 1024 },
    mStep: {
      steps: 1500,
      finalSteps: 6000,
      batch: 256,
      learningRate: [1e-3, 5e-4, 1e-5],
      emaDecay: 0.995,
      timeBeta: [2.5, 3.5],
    },
    figures: { gallery: 64, prior: 1024, priorSteps: 128 },
  },
};

/** Everything small: to see in seconds that all parts fit together. */
const tiny: ManifoldRecipe = {
  ...laptop,
  pairs: 512,
  evaluation: { samples: 128, steps: 8 },
  config: {
    network: { ...MLP, width: 16, blocks: 1, embedding: 8 },
    start: { rank: 2, iterations: 2, observations: 256 },
    em: { iterations: 2, observations: 128, finalObservations: 128, buffer: 1 },
    eStep: { sampler: "pc", steps: 8, cgSteps: 3, batch: 64 },
    mStep: { steps: 10, finalSteps: 10, batch: 32 },
    figures: { gallery: 4, prior: 64, priorSteps: 8 },
  },
};

export const MANIFOLD_RECIPES = { laptop, paper, reference, tiny } as const;
