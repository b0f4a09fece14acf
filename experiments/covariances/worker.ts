/** One random curve: its divergences at all noise levels. */
import { Rng } from "../../src/core/random.ts";
import { serveTasks } from "../pool.ts";
import { divergences, drawProblem } from "./compare.ts";
import type { CovariancesRecipe } from "./recipes.ts";

/** A curve of the experiment. */
export interface CurveTask {
  readonly recipe: CovariancesRecipe;
  readonly seed: number;
  readonly curve: number;
}

serveTasks(async ({ recipe, seed, curve }: CurveTask): Promise<number[][]> => {
  const rng = new Rng(seed).split("covariances", curve);
  const problem = drawProblem(recipe.components, 3, rng);
  const found: number[][] = [];
  for (const [k, sigma] of recipe.sigmas.entries())
    found.push(await divergences(problem, sigma, recipe, rng.split("level", k), undefined));
  return found;
});
