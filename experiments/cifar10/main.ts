/** Priors of CIFAR-10, or of patches of photographs, learned under three covariances (table 1, figures 4, 5 and 8-10). */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Outcome } from "../../src/cli/arguments.ts";
import { corruptArrays } from "../../src/cli/commands/corrupt.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { didYouMean } from "../../src/core/nearest.ts";
import { type Observations, openObservations } from "../../src/data/observations/observations.ts";
import { predictRun } from "../../src/em/predict.ts";
import { readRun } from "../../src/report/read-run.ts";
import { writeReport } from "../../src/report/report.ts";
import { defaultThreads } from "../../src/runtime/engine.ts";
import { type Setting, writePrediction, writeResults } from "../experiment.ts";
import { runTasks } from "../pool.ts";
import { compileFigures, RANGE } from "./figures.ts";
import { type CleanImages, cleanImages } from "./images.ts";
import { cifar10Page } from "./page.ts";
import { CIFAR10_RECIPES, type Cifar10Recipe, COMPARED, type Compared, type RecipeName } from "./recipes.ts";
import { configOf, learnOne, observationsPath, type RunOutcome, type RunTask } from "./run.ts";

/** The experiment as the runner starts it. @throws ConfigError for a task that is no covariance */
export async function runCifar10(setting: Setting): Promise<Outcome> {
  const name = setting.recipe as RecipeName; // the runner checked it
  const recipe: Cifar10Recipe = CIFAR10_RECIPES[name];
  const covariances = covariancesOf(setting.tasks);
  const began = performance.now();
  await mkdir(setting.out, { recursive: true });
  if (setting.predict !== undefined) return await predict(setting, recipe);
  const images = await cleanImages(recipe, setting.data);
  const seeds = Array.from({ length: recipe.seeds }, (_, i) => setting.seed + i);
  for (const seed of seeds) await observe(setting, recipe, images, seed);
  const others = await distanceOfOthers(setting, images);
  const tasks = seeds.flatMap((seed) =>
    covariances.map((covariance): RunTask => {
      const { data: files, out, session, features } = setting;
      return { recipe: name, covariance, seed, files, features, out, engine: session.engine };
    }),
  );
  const outcomes = await learnAll(tasks, recipe.parallel, setting);
  const folders = outcomes.map(({ folder }) => folder);
  await writeReport(folders, join(setting.out, "comparison.html"));
  const runs = await Promise.all(folders.map(readRun));
  const page = cifar10Page({ outcomes, runs, others });
  const seconds = (performance.now() - began) / 1000;
  return await writeResults(setting, seconds, figuresOf(outcomes, others, images), page);
}

/** @throws ConfigError for a name that is none of them */
function covariancesOf(tasks: readonly string[]): Compared[] {
  const all = Object.keys(COMPARED) as Compared[];
  for (const task of tasks)
    if (!(all as string[]).includes(task))
      throw new ConfigError(
        `--tasks: expected covariances of ${all.join(", ")}, got "${task}".${didYouMean(task, all)}`,
      );
  return tasks.length > 0 ? all.filter((name) => tasks.includes(name)) : all;
}

/** Corrupts the images for a seed, unless that was done before. */
async function observe(
  { out, session }: Setting,
  { deleted, noiseVariance }: Cifar10Recipe,
  { train }: CleanImages,
  seed: number,
  name?: string,
): Promise<string> {
  const path = name ? join(out, name) : observationsPath(out, seed);
  if (!existsSync(path))
    await corruptArrays(train, path, {
      corruption: { name: "mask", deleted },
      noiseVariance,
      seed,
      range: RANGE,
      engine: session.engine,
    });
  return path;
}

/** Images of CIFAR-10's training set. */
const CIFAR10_COUNT = 50_000;
/** Patches that stand for them where only times are asked for. */
const STAND_INS = 1024;

/** Times the parts of a run. Times do not depend on what is seen, so patches of photographs may stand for CIFAR-10. */
async function predict(setting: Setting, recipe: Cifar10Recipe): Promise<Outcome> {
  const { seed, session, data, predict: minutes } = setting;
  const standIn = recipe.data === "cifar-10" && data.length === 0;
  const patches = { side: 32, count: STAND_INS, others: 1 };
  const images = await cleanImages(standIn ? { data: patches } : recipe, data);
  const name = standIn ? "stand-ins" : undefined;
  const found = await openObservations(await observe(setting, recipe, images, seed, name));
  const observations = standIn ? repeated(found, CIFAR10_COUNT) : found;
  const shape = [observations.count, ...images.train.shape.slice(1)];
  const config = configOf(recipe, shape, "tweedie", seed);
  const log = (line: string) => session.progress.message(line);
  if (standIn) log("Patches of photographs stand for CIFAR-10: without --data only times can be told.");
  const options = { engine: session.engine, log, budgetSeconds: 60 * minutes! }; // the caller checked it
  return await writePrediction(setting, await predictRun(observations, config, options));
}

/** The same observations again and again. */
function repeated(observations: Observations, count: number): Observations {
  const n = observations.count;
  const first = (start: number, end: number) => Math.min(start % n, n - (end - start));
  return {
    ...observations,
    count,
    read: (start, end) => observations.read(first(start, end), first(start, end) + end - start),
  };
}

/** What clean images that no prior has seen come to. */
async function distanceOfOthers(
  { session, features }: Setting,
  { train, others }: CleanImages,
): Promise<number | undefined> {
  if (!others) return undefined;
  const figures = await compileFigures(train, features, session.engine);
  try {
    return Object.values(await figures.evaluate("prior", others))[0];
  } finally {
    await figures.release();
  }
}

/** The runs, on all cores with a thread each or one after the other. Each goes on where it was stopped. */
async function learnAll(
  tasks: readonly RunTask[],
  parallel: boolean,
  { session }: Setting,
): Promise<RunOutcome[]> {
  const { engine, watch, progress } = session;
  const log = (line: string) => progress.message(line);
  const workers = parallel ? (engine.threads ?? defaultThreads()) : 1;
  if (workers === 1) {
    const outcomes: RunOutcome[] = [];
    for (const task of tasks) outcomes.push(await learnOne(task, { ...watch, log }));
    return outcomes;
  }
  const single = tasks.map((task) => ({ ...task, engine: { ...engine, threads: 1 } }));
  return await runTasks<RunTask, RunOutcome>(new URL("./worker.js", import.meta.url), single, {
    workers,
    signal: watch.signal,
    onNote: log,
    onDone: (done) => log(`${done} of ${tasks.length} runs are done.`),
  });
}

/** The figures of results.json: the final prior's distance by covariance, one for each seed, and their spread. */
function figuresOf(outcomes: readonly RunOutcome[], others: number | undefined, { source }: CleanImages) {
  const byCovariance = <T>(value: (runs: readonly RunOutcome[]) => T) =>
    Object.fromEntries(
      (Object.keys(COMPARED) as Compared[]).flatMap((name) => {
        const runs = outcomes.filter(({ covariance }) => covariance === name);
        return runs.length > 0 ? [[COMPARED[name], value(runs)] as const] : [];
      }),
    );
  const finals = (runs: readonly RunOutcome[]) => runs.map(({ distances }) => distances.at(-1)![1]);
  return {
    frechet: byCovariance(finals),
    spread: byCovariance((runs) => spreadOf(finals(runs))),
    cleanImages: others,
    source,
    runs: outcomes.map(({ folder: _, ...run }) => run),
  };
}

/** Mean and standard deviation (n - 1 in the denominator; 0 for one value), least and greatest. */
export function spreadOf(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    mean,
    deviation: Math.sqrt(squares / Math.max(values.length - 1, 1)),
    least: Math.min(...values),
    greatest: Math.max(...values),
  };
}
