/** How much of the battery is run, and how closely each cell is looked at. */
import { CELLS, type Cell } from "./cells.ts";
import type { Sizes } from "./judge.ts";

export interface BatteryRecipe {
  readonly cells: readonly Cell[];
  readonly seeds: number;
  /** By kind of latent: a U-Net's samples take longer. */
  readonly sizes: { readonly vectors: Sizes; readonly images: Sizes };
}

const laptop: BatteryRecipe = {
  cells: CELLS,
  seeds: 3,
  sizes: {
    vectors: { prior: 4096, eStep: 4096, judged: 256, draws: 20 },
    images: { prior: 1024, eStep: 1024, judged: 128, draws: 20 },
  },
};

/** All cells once; `laptop` in the same folder then adds the other seeds. */
const survey: BatteryRecipe = { ...laptop, seeds: 1 };

const tiny: BatteryRecipe = {
  cells: CELLS.filter(({ isTiny }) => isTiny),
  seeds: 1,
  sizes: {
    vectors: { prior: 1024, eStep: 512, judged: 64, draws: 20 },
    images: { prior: 512, eStep: 256, judged: 32, draws: 20 },
  },
};

export const BATTERY_RECIPES = { laptop, survey, tiny } as const;
export type BatteryRecipeName = keyof typeof BATTERY_RECIPES;
