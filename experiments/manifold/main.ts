/** A prior of points on a curve in five dimensions, learned from two projections of each point (figures 3 and 7). */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../../src/cli/arguments.ts";
import type { Session } from "../../src/cli/session.ts";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { manifoldObservations, manifoldPoints } from "../../src/data/manifold.ts";
import { readNpy } from "../../src/data/npy.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config.ts";
import type { Evaluate } from "../../src/em/context.ts";
import type { RunFolder } from "../../src/em/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { divergenceOf, type SinkhornProgress, sinkhorn } from "../../src/metrics/sinkhorn.ts";
import { writeReport } from "../../src/report/report.ts";
import { type Setting, writeResults } from "../experiment.ts";
import { manifoldPage } from "./page.ts";
import { MANIFOLD_RECIPES, type ManifoldRecipe } from "./recipes.ts";

/** Figures of an iteration. */
export interface ManifoldIteration {
  readonly iteration: number;
  /** Divergence of prior samples from the truth. */
  readonly sinkhorn: number;
  /** Of the E-step and the M-step. */
  readonly seconds: number;
}

const DIMENSIONS = 5;

export async function runManifold(setting: Setting): Promise<Outcome> {
  const recipe: ManifoldRecipe = MANIFOLD_RECIPES[setting.recipe as keyof typeof MANIFOLD_RECIPES];
  const began = performance.now();
  const rng = new Rng(setting.seed);
  const exact = manifoldPoints({ count: recipe.pairs, dimensions: DIMENSIONS, rng: rng.split("manifold") });
  const points = float32(Float32Array.from(exact.data), exact.shape);
  const run = await learn(setting, recipe, points, rng.split("pairs"));
  const iterations = await figuresOf(run);
  const samples = await Promise.all(
    iterations.map(({ iteration }) =>
      readNpy(run.file(iteration, iteration === 0 ? "prior.npy" : "gallery-prior.npy")),
    ),
  );
  const page = manifoldPage(iterations, samples as HostArray<"float32">[], points, recipe);
  const [start, ...rest] = iterations;
  const seconds = (performance.now() - began) / 1000;
  return await writeResults(setting, seconds, { start, iterations: rest, sizes: recipe }, page);
}

/** Trains, or goes on with the run in DIR/run. */
async function learn(
  { out, seed, session }: Setting,
  recipe: ManifoldRecipe,
  points: HostArray<"float32">,
  rng: Rng,
): Promise<RunFolder> {
  const { range, compared } = recipe;
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
    evaluate: await divergencesFrom(points, compared, session),
    engine: session.engine,
    ...session.watch,
    onIteration: async (iteration, metrics) => {
      await writeReport([folder], join(folder, "report.html"));
      const divergence = metrics[DIVERGENCE]?.toPrecision(3) ?? "not computed";
      session.progress.message(`Iteration ${iteration}: Sinkhorn divergence of prior samples ${divergence}`);
    },
  });
}

const DIVERGENCE = "prior Sinkhorn divergence";

/**
 * Divergences from the first n points, less the cost between these and the last n. The cost between finite samples of
 * the truth is computed once.
 */
async function divergencesFrom(
  points: HostArray<"float32">,
  n: number,
  { watch: { onEvent, signal } }: Session,
): Promise<Evaluate> {
  const count = points.shape[0]!;
  const [first, last] = [rows(points, 0, n), rows(points, count - n, count)];
  const cost = async (samples: HostArray<"float32">) => {
    const progress = { stage: "Sinkhorn", iteration: 0, iterations: 0, unit: "iterations" };
    const onProgress = (event: SinkhornProgress) => onEvent?.({ ...progress, ...event });
    return (await sinkhorn(first, samples, { onProgress, signal })).cost;
  };
  const same = await cost(last);
  return async (kind, samples) =>
    kind === "prior" ? { [DIVERGENCE]: divergenceOf(await cost(rows(samples, 0, n)), same) } : {};
}

async function figuresOf(run: RunFolder): Promise<ManifoldIteration[]> {
  const last = await run.lastIteration();
  const all = await Promise.all(Array.from({ length: last + 1 }, (_, k) => run.readFigures(k)));
  return all.map(({ iteration, metrics, seconds }) => ({
    iteration,
    sinkhorn: metrics[DIVERGENCE]!,
    seconds: (seconds.eStep ?? 0) + (seconds.mStep ?? 0),
  }));
}
