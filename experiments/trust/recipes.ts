/** How many cases and seeds, and how closely each is looked at. */
import type { CheckSizes } from "../../src/trust/check.ts";
import { CASES, type TrustCase } from "./cases.ts";

export interface TrustRecipe {
  readonly cases: readonly TrustCase[];
  readonly seeds: number;
  /** Of exact priors; a run has those that its time allows. */
  readonly sizes: CheckSizes;
}

export const TRUST_RECIPES = {
  laptop: { cases: CASES, seeds: 5, sizes: { observations: 256, draws: 19 } },
  tiny: { cases: CASES.filter(({ isTiny }) => isTiny), seeds: 1, sizes: { observations: 256, draws: 19 } },
} as const satisfies Readonly<Record<string, TrustRecipe>>;
export type TrustRecipeName = keyof typeof TRUST_RECIPES;
