/** Settings of the experiment on corrupted CIFAR-10 [Rozet24, section 5.2 and appendix C]. */
import type { CovarianceName } from "../../src/inference/posterior-denoiser.ts";

/** The covariances V[x | x_t] of table 1, with the names of their figures. */
export const COMPARED = {
  tweedie: "tweedie",
  identity: "identity",
  "sigma-t": "sigmaT",
} as const satisfies Partial<Record<CovarianceName, string>>;
/** A covariance that is compared. */
export type Compared = keyof typeof COMPARED;

/** Patches of photographs, in place of CIFAR-10. */
export interface Patches {
  /** Pixels along each edge. */
  readonly side: number;
  /** How many are corrupted to learn from. */
  readonly count: number;
  /** How many others there are to compare the figures of samples with. */
  readonly others: number;
}

export interface Cifar10Recipe {
  /** What the priors are learned of: CIFAR-10's training images, or patches of photographs of that side. */
  readonly data: "cifar-10" | Patches;
  /** Probability with which a pixel is deleted, in all channels. */
  readonly deleted: number;
  readonly noiseVariance: number;
  /** How often each covariance is run, with a seed each. */
  readonly seeds: number;
  /** Whether runs share the cores, one thread each, or take them one after the other. */
  readonly parallel: boolean;
  /** Fields of the configuration, over the defaults for the data. @param count number of observations */
  readonly config: (count: number) => object;
}

/** The text; heads at the last level, pad & crop. Optimizer and average begin anew in each iteration. */
const paper: Cifar10Recipe = {
  data: "cifar-10",
  deleted: 0.75,
  noiseVariance: 1e-6,
  seeds: 1,
  parallel: false,
  config: (count) => ({
    network: {
      type: "unet",
      base: "normal",
      channels: [128, 256, 384],
      blocks: [5, 5, 5],
      heads: [0, 0, 4],
      embedding: 256,
      patch: 1,
      dropout: 0.1,
    },
    schedule: { sigmaMin: 1e-3, sigmaMax: 100 },
    start: { rank: 64, iterations: 16, observations: 16_384 },
    em: {
      iterations: 32,
      observations: 0,
      finalObservations: 0,
      buffer: 1,
      carryOptimizer: false,
      validation: 0,
    },
    eStep: { sampler: "ddpm", steps: 256, cgSteps: 1, batch: 16, clip: false },
    mStep: {
      // 256 epochs in batches of 256
      steps: count,
      finalSteps: count,
      batch: 256,
      microBatch: 16, // so that activations fit into 16 GiB; the draws' batch as well
      learningRate: [2e-4, 2e-4, 2e-4],
      emaDecay: 0.999,
      augment: ["flip", "shift"],
    },
    figures: { prior: 64, priorSteps: 256, every: 1, samples: count, finalSamples: count },
  }),
};

/** Where the paper's code differs: heads at the middle level, a slower average, and colours changed a little. */
const reference: Cifar10Recipe = {
  ...paper,
  config: (count) => {
    const text = paper.config(count) as { network: object; mStep: object };
    const steps = 256 * Math.max(1, Math.floor(count / 256));
    return {
      ...text,
      network: { ...text.network, heads: [0, 4, 0] },
      mStep: {
        ...text.mStep,
        steps,
        finalSteps: steps,
        emaDecay: 0.9999,
        augment: ["flip", "hue", "saturation"],
      },
    };
  },
};

/**
 * Sizes for one core. `multistep` in place of `ddpm`: in 20 steps the latter loses a third of a normal distribution's
 * variance, and EM as much again in every iteration, which hides what a covariance does; the former loses 2 %.
 */
const laptop: Cifar10Recipe = {
  data: { side: 16, count: 4096, others: 1000 },
  deleted: 0.75,
  noiseVariance: 1e-6,
  seeds: 3,
  parallel: true,
  config: () => ({
    network: { type: "unet", channels: [32, 64], blocks: [1, 1], heads: [0, 0], patch: 2 },
    schedule: { sigmaMin: 1e-2, sigmaMax: 100 },
    start: { rank: 32, iterations: 8, observations: 1024 },
    em: { iterations: 12, observations: 384, finalObservations: 768, buffer: 3 },
    eStep: { sampler: "multistep", steps: 20, cgSteps: 1 },
    mStep: {
      steps: 180,
      finalSteps: 700,
      batch: 32,
      learningRate: [3e-3, 1e-3, 1e-4],
      emaDecay: 0.98,
      augment: ["flip"],
    },
    figures: { prior: 48, priorSteps: 24, every: 2, samples: 600, finalSamples: 1000 },
  }),
};

/** Everything small: to see in seconds that all parts fit together. */
const tiny: Cifar10Recipe = {
  ...laptop,
  data: { side: 8, count: 48, others: 80 },
  seeds: 2,
  config: () => ({
    network: { type: "unet", channels: [8], blocks: [1], heads: [0], patch: 2, embedding: 8 },
    schedule: { sigmaMin: 1e-2, sigmaMax: 10 },
    start: { rank: 2, iterations: 3, observations: 32 },
    em: { iterations: 2, observations: 16, finalObservations: 16, buffer: 1 },
    eStep: { steps: 2, cgSteps: 1, batch: 16 },
    mStep: { steps: 4, finalSteps: 4, batch: 4, augment: ["flip"] },
    figures: { gallery: 4, prior: 12, priorSteps: 2, every: 2, samples: 80, finalSamples: 80 },
  }),
};

export const CIFAR10_RECIPES = { paper, reference, laptop, tiny } as const satisfies Record<
  string,
  Cifar10Recipe
>;
/** Names of the recipes. */
export type RecipeName = keyof typeof CIFAR10_RECIPES;
