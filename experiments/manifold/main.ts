/** A prior of points on a curve in five dimensions, learned from two projections of each point (figures 3 and 7). */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../../src/cli/arguments.ts";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { manifoldObservations, manifoldPoints } from "../../src/data/manifold.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import type { RunFolder } from "../../src/em/run/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { writeReport } from "../../src/report/report.ts";
import { type Setting, writeResults } from "../experiment.ts";
import { evaluateRun } from "./evaluate.ts";
import { manifoldPage } from "./page.ts";
import { MANIFOLD_RECIPES, type ManifoldRecipe } from "./recipes.ts";

const DIMENSIONS = 5;

export async function runManifold(setting: Setting): Promise<Outcome> {
  const recipe: ManifoldRecipe = MANIFOLD_RECIPES[setting.recipe as keyof typeof MANIFOLD_RECIPES];
  const began = performance.now();
  const rng = new Rng(setting.seed);
  const exact = manifoldPoints({ count: recipe.pairs, dimensions: DIMENSIONS, rng: rng.split("manifold") });
  const points = float32(Float32Array.from(exact.data), exact.shape);
  const run = await learn(setting, recipe, points, rng.split("pairs"));
  const evaluated = await evaluateRun(run, points, recipe, rng.split("evaluation"), setting.session);
  const page = manifoldPage(evaluated, points, recipe);
  const [start, ...iterations] = evaluated.map(({ samples: _, ...figures }) => figures);
  const seconds = (performance.now() - began) / 1000;
  return await writeResults(setting, seconds, { start, iterations, sizes: recipe }, page);
}

/** Trains, or goes on with the run in DIR/run. */
async function learn(
  { out, seed, session }: Setting,
  recipe: ManifoldRecipe,
  points: HostArray<"float32">,
  rng: Rng,
): Promise<RunFolder> {
  const { range } = recipe;
  const observations = await manifoldObservations(points, {
    rng,
    engine: session.engine,
    ...(range && { range }),
  });
  const config = mergeConfig(defaultConfig([DIMENSIONS], recipe.pairs), { ...recipe.config, seed });
  const folder = join(out, "run");
  return await train(observations, config, {
    out: folder,
    resume: existsSync(join(folder, "run.json")),
    name: "points on a curve",
    truth: rows(points, 0, config.figures.gallery),
    engine: session.engine,
    ...session.watch,
    onIteration: async () => await writeReport([folder], join(folder, "report.html")),
  });
}
