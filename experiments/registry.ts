import type { Run } from "./experiment.ts";

/** Options that only some experiments know. */
export const OWN_OPTIONS = ["tasks", "validate", "predict", "features", "set", "minutes"] as const;
type OwnOption = (typeof OWN_OPTIONS)[number];

/** An experiment: what it shows, its recipes with their times, and its code, loaded when it runs. */
export interface Entry {
  readonly summary: string;
  readonly recipes: Readonly<Record<string, string>>;
  /** Which of `OWN_OPTIONS` it knows. */
  readonly options?: readonly OwnOption[];
  readonly load: () => Promise<Run>;
}

/** All experiments by name. Every one has a recipe `laptop`. */
export const EXPERIMENTS: Readonly<Record<string, Entry>> = {
  battery: {
    summary: "runs with default settings on distributions that are known exactly, over operators and noise",
    recipes: {
      laptop: "all cells, three seeds; some five hours on two cores",
      survey: "all cells, one seed; laptop in the same folder adds the others",
      tiny: "two small cells, one seed; ten minutes",
    },
    options: ["tasks", "set", "minutes"],
    load: async () => (await import("./battery/main.ts")).runBattery,
  },
  cifar10: {
    summary:
      "a prior of images of which 75 % of the pixels are missing, under three covariances (section 5.2, table 1, figures 4, 5 and 8 to 10)",
    recipes: {
      laptop: "patches of photographs, 16 x 16 pixels, 9 runs of about 3 minutes of one core each",
      paper: "CIFAR-10, 57.6 million parameters or more; the paper's text; needs --data; for accelerators",
      reference: "CIFAR-10 with the settings of the paper's code; needs --data; for accelerators",
      tiny: "8 x 8 pixels; seconds, to see that it works",
    },
    options: ["tasks", "predict", "features"],
    load: async () => (await import("./cifar10/main.ts")).runCifar10,
  },
  covariances: {
    summary: "posteriors under four covariances against the exact one (figures 1 and 2)",
    recipes: {
      laptop: "64 curves, 128 samples; seven minutes on two busy cores",
      paper: "64 curves, 16 384 samples; days",
      smoke: "3 curves; seconds, to see that it works",
    },
    load: async () => (await import("./covariances/main.ts")).runCovariances,
  },
  evaluations: {
    summary:
      "quality of posterior draws against network evaluations, and EM with the plain and the demo's E-step",
    recipes: {
      laptop:
        "digits, 15 ways to draw, two EM runs of 8 iterations; 12 minutes on one core; --data RUN: the ways alone, with the prior of a finished demo",
      tiny: "a minute, to see that it works",
    },
    load: async () => (await import("./evaluations/main.ts")).runEvaluations,
  },
  manifold: {
    summary:
      "a curve in five dimensions, learned from two projections of each point (section 5.1, figures 3 and 7)",
    recipes: {
      laptop: "36 short iterations; at most 20 minutes on two cores",
      paper: "32 iterations over all pairs, 4096 sampler steps; the paper's text; days",
      reference: "64 iterations, levels up to 10 and the Gaussian's covariance, as the paper's code; weeks",
      tiny: "two iterations; seconds, to see that it works",
    },
    load: async () => (await import("./manifold/main.ts")).runManifold,
  },
  mri: {
    summary:
      "accelerated MRI with a prior learned from sub-sampled k-space (section 5.3); needs --data FILES",
    recipes: {
      laptop: "64 x 64 pixels, R = 2 ... 32 and a centred crop; at most 30 minutes on two cores",
      paper: "320 x 320 pixels, R = 2 ... 32 and a centred crop; the paper's text; for accelerators",
      reference: "320 x 320 pixels, two draws for each observation, as the paper's code",
      tiny: "16 x 16 pixels; seconds, to see that it works",
    },
    options: ["tasks", "validate", "predict"],
    load: async () => (await import("./mri/main.ts")).mriExperiment,
  },
  posteriors: {
    summary: "every posterior method against the exact posterior of a Gaussian mixture in 16 dimensions",
    recipes: {
      laptop: "4 observations, 256 samples; eight minutes on a busy core",
      smoke: "1 observation; seconds, to see that it works",
    },
    load: async () => (await import("./posteriors/main.ts")).runPosteriors,
  },
  trust: {
    summary: "known truths, each with one thing wrong, and what diem check says of them",
    recipes: {
      laptop: "all cases, five seeds, on one core",
      tiny: "two cases, one seed; seconds, to see that it works",
    },
    options: ["tasks"],
    load: async () => (await import("./trust/main.ts")).runTrust,
  },
};
