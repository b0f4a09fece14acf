/** The paper's figures 1 and 2: which stand-in for V[x | x_t] gives the right posterior of x_t. */
import { availableParallelism } from "node:os";
import type { Outcome } from "../../src/cli/arguments.ts";
import { type Setting, writeResults } from "../experiment.ts";
import { runTasks } from "../pool.ts";
import { COVARIANCES } from "./compare.ts";
import { covariancesPage } from "./page.ts";
import { type CovariancesRecipe, RECIPES } from "./recipes.ts";
import type { CurveTask } from "./worker.ts";

/** Percentiles over the curves, for one covariance at one noise level. */
export interface Level {
  readonly sigma: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
}

export async function runCovariances(setting: Setting): Promise<Outcome> {
  const { recipe: name, seed, session } = setting;
  const recipe: CovariancesRecipe = RECIPES[name as keyof typeof RECIPES];
  const began = performance.now();
  const tasks = Array.from({ length: recipe.manifolds }, (_, curve): CurveTask => ({ recipe, seed, curve }));
  const found = await runTasks<CurveTask, number[][]>(new URL("./worker.js", import.meta.url), tasks, {
    workers: session.engine.threads ?? availableParallelism(),
    signal: session.watch.signal,
    onDone: (done) =>
      session.progress.update({
        stage: "covariances",
        iteration: 0,
        iterations: 0,
        done,
        total: tasks.length,
        unit: "curves",
      }),
  });
  const levels = COVARIANCES.map((covariance, c) => ({
    covariance,
    levels: recipe.sigmas.map((sigma, s) =>
      levelOf(
        sigma,
        found.map((curve) => curve[s]![c]!),
      ),
    ),
  }));
  const page = covariancesPage(levels, recipe, seed);
  return writeResults(
    setting,
    (performance.now() - began) / 1000,
    { sizes: recipe, covariances: levels },
    page,
  );
}

function levelOf(sigma: number, values: readonly number[]): Level {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    const high = Math.ceil(place);
    return sorted[low]! + (place - low) * (sorted[high]! - sorted[low]!);
  };
  return { sigma, p25: at(0.25), p50: at(0.5), p75: at(0.75) };
}
