import type { Run } from "./experiment.ts";

/** An experiment of the paper: what it shows, its recipes with their times, and its code, loaded when it runs. */
export interface Entry {
  readonly summary: string;
  readonly recipes: Readonly<Record<string, string>>;
  readonly load: () => Promise<Run>;
}

/** All experiments by name. Every one has a recipe `laptop`. */
export const EXPERIMENTS: Readonly<Record<string, Entry>> = {
  covariances: {
    summary: "posteriors under four covariances against the exact one (figures 1 and 2)",
    recipes: {
      laptop: "64 curves, 256 samples; minutes on two cores",
      paper: "64 curves, 16 384 samples; days",
      smoke: "3 curves; seconds, to see that it works",
    },
    load: async () => (await import("./covariances/main.ts")).runCovariances,
  },
};
