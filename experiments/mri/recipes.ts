/** Settings of the experiment on accelerated magnetic resonance imaging [Rozet24, section 5.3]. */

import type { SplitOptions } from "./split.ts";

/** What held-out slices are reconstructed from: k-space at an acceleration R, or the centred window of half the sides. */
export type Task = number | "crop";

export interface TaskSizes {
  readonly tasks: readonly Task[];
  /** Held-out slices, evenly spread over those there are. */
  readonly slices: number;
  /** Posterior samples of each. */
  readonly samples: number;
}

export interface MriRecipe {
  /** [h, w] of the images; undefined leaves them as they are in the files. */
  readonly size?: readonly [number, number];
  /** First and last slice used of each volume. */
  readonly slices: readonly [number, number];
  /** Acceleration R of the training observations. */
  readonly acceleration: number;
  /** Variance of the noise on each real and imaginary part. */
  readonly noiseVariance: number;
  /** How often each slice is measured, each time with a mask and noise of its own. */
  readonly measurements: number;
  /** How often each measurement stands in the training set: so many posterior draws an iteration. */
  readonly duplicates: number;
  readonly split: SplitOptions;
  readonly evaluation: {
    /** What the prior is judged by. */
    readonly main: TaskSizes;
    /** What else it is tried on, where time is short with fewer slices and samples. */
    readonly further: TaskSizes;
    /** Sampler steps. */
    readonly steps: number;
    readonly cgSteps: number;
    /** Whether means are kept inside the data's range, see `eStep.clip`. */
    readonly clip: boolean;
    /** Observations drawn for together. */
    readonly batch: number;
  };
  /** Fields of the configuration, over the defaults for the data. @param count number of observations */
  readonly config: (count: number) => object;
}

/** U-Net of [Rozet24, table 3] on 4 x 4 pixels folded into channels. */
const PAPER_NETWORK = {
  type: "unet",
  base: "normal",
  channels: [128, 256, 384, 512],
  blocks: [3, 3, 3, 3],
  heads: [0, 0, 0, 4],
  embedding: 256,
  patch: 4,
  dropout: 0.1,
};

/** Optimizer steps of 64 epochs in batches of 256. */
const epochs = (count: number) => Math.max(1, Math.round((64 * count) / 256));

const paper: MriRecipe = {
  slices: [10, 40],
  acceleration: 6,
  noiseVariance: 1e-4,
  measurements: 1,
  duplicates: 1,
  split: { validation: 0.05, test: 0.1, gap: 2 },
  evaluation: {
    main: { tasks: [2, 4, 6, 8, 16, 32, "crop"], slices: 16, samples: 32 },
    further: { tasks: [], slices: 16, samples: 32 },
    steps: 64,
    cgSteps: 3,
    clip: false,
    batch: 2,
  },
  config: (count) => ({
    network: PAPER_NETWORK,
    schedule: { sigmaMin: 1e-3, sigmaMax: 100 },
    start: { rank: 64, iterations: 16, observations: 4096 },
    em: {
      iterations: 16,
      observations: 0,
      finalObservations: 0,
      buffer: 1,
      carryOptimizer: false,
      validation: 0,
    },
    // A draw costs the same in any batch; gradients of weights are fastest by 16 images. Both fit into 16 GiB.
    eStep: { sampler: "ddpm", steps: 64, cgSteps: 3, batch: 1, clip: false },
    mStep: {
      steps: epochs(count),
      finalSteps: epochs(count),
      batch: 256,
      microBatch: 16,
      learningRate: [1e-4, 1e-4, 1e-4],
      emaDecay: 0.999,
      augment: ["flip", "shift"],
    },
    figures: { prior: 16, priorSteps: 64, every: 16, samples: 16, finalSamples: 16 },
  }),
};

/**
 * Sizes for two cores: 64 x 64 pixels, few slices, many short iterations. Draws that are to agree with the data are not
 * limited: in the black background that pushes them up by the noise, which brought chi-square from 0.7 to 2.4.
 */
const laptop: MriRecipe = {
  size: [64, 64],
  slices: [0, 53],
  acceleration: 6,
  noiseVariance: 1e-4,
  measurements: 1,
  duplicates: 1,
  split: { validation: 0.075, test: 0.11, gap: 3 },
  evaluation: {
    main: { tasks: [4, 6], slices: 8, samples: 32 },
    further: { tasks: [2, 8, 16, 32, "crop"], slices: 4, samples: 16 },
    steps: 40,
    cgSteps: 3,
    clip: false,
    batch: 8,
  },
  config: () => ({
    network: { type: "unet", channels: [24, 48, 64], blocks: [1, 1, 1], heads: [0, 0, 0], patch: 2 },
    schedule: { sigmaMin: 2e-3, sigmaMax: 20 },
    start: { rank: 4, iterations: 12, observations: 256 },
    em: { iterations: 24, observations: 40, finalObservations: 80, buffer: 2 },
    eStep: { steps: 18, cgSteps: 2, batch: 8 },
    mStep: {
      steps: 100,
      finalSteps: 400,
      batch: 8,
      learningRate: [3e-3, 1e-3, 1e-4],
      emaDecay: 0.98,
      augment: ["flip", "shift"],
    },
    figures: { gallery: 8, prior: 12, priorSteps: 32 },
  }),
};

/** Everything small: to see in seconds that all parts fit together. */
const tiny: MriRecipe = {
  ...laptop,
  size: [16, 16],
  slices: [0, 100],
  measurements: 1,
  split: { validation: 0.1, test: 0.1, gap: 1 },
  evaluation: {
    main: { tasks: [2, 4], slices: 2, samples: 4 },
    further: { tasks: ["crop"], slices: 1, samples: 2 },
    steps: 4,
    cgSteps: 1,
    clip: true,
    batch: 2,
  },
  config: () => ({
    network: { type: "unet", channels: [8], blocks: [1], heads: [0], patch: 2, embedding: 8 },
    schedule: { sigmaMin: 1e-2, sigmaMax: 10 },
    start: { rank: 2, iterations: 3, observations: 8 },
    em: { iterations: 1, observations: 4, finalObservations: 4, buffer: 1 },
    eStep: { steps: 4, batch: 4 },
    mStep: { steps: 3, finalSteps: 3, batch: 4, augment: ["flip", "shift"] },
    figures: { gallery: 2, prior: 2, priorSteps: 4, samples: 2, finalSamples: 2 },
  }),
};

/**
 * The recipes. "paper" follows the text; "reference" the paper's code, which draws twice for each observation and keeps
 * draws that leave the range; "laptop" runs on two cores; "tiny" is for tests.
 */
export const MRI_RECIPES = {
  paper,
  reference: { ...paper, duplicates: 2 },
  laptop,
  tiny,
} as const satisfies Record<string, MriRecipe>;

/** All tasks of a recipe: accelerations in order, then the crop. */
export function allTasks({ evaluation: { main, further } }: MriRecipe): Task[] {
  const rank = (task: Task) => (task === "crop" ? Number.POSITIVE_INFINITY : task);
  return [...main.tasks, ...further.tasks].sort((a, b) => rank(a) - rank(b));
}

/** How many slices and samples a task gets. */
export function taskSizes({ evaluation: { main, further } }: MriRecipe, task: Task): TaskSizes {
  return main.tasks.includes(task) ? main : further;
}
