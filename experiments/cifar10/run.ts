/** One run of the experiment: a covariance and a seed. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { summarize } from "../../src/cli/summary.ts";
import { rows } from "../../src/core/array.ts";
import { ConfigError } from "../../src/core/errors.ts";
import type { Watch } from "../../src/core/events.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../../src/em/config/config.ts";
import type { IterationFigures } from "../../src/em/run/iteration-figures.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { writeReport } from "../../src/report/report.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { compileFigures } from "./figures.ts";
import { cleanImages } from "./images.ts";
import { CIFAR10_RECIPES, type Cifar10Recipe, type Compared, type RecipeName } from "./recipes.ts";

/** What a run is started with; plain data, so that it can be sent to a worker. */
export interface RunTask {
  readonly recipe: RecipeName;
  readonly covariance: Compared;
  readonly seed: number;
  /** CIFAR-10's files, where the recipe needs them. */
  readonly files: readonly string[];
  /** An ONNX network whose features are compared, in place of random ones. */
  readonly features: string | undefined;
  /** Folder of the experiment. */
  readonly out: string;
  readonly engine: EngineOptions;
}

/** What a run came to. */
export interface RunOutcome {
  readonly covariance: Compared;
  readonly seed: number;
  readonly folder: string;
  /** Prior samples' distance after each iteration that was evaluated: [iteration, distance]. */
  readonly distances: readonly (readonly [iteration: number, distance: number])[];
  /** All figures of the last iteration. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Warnings of the alarm. */
  readonly warnings: readonly string[];
  /** The same for every run, if the comparison is fair. */
  readonly work: { readonly iterations: number; readonly draws: number; readonly optimizerSteps: number };
  readonly seconds: number;
}

/** Where the observations of a seed are; every covariance learns from the same. */
export const observationsPath = (out: string, seed: number) => join(out, `observations-${seed}`);

/** Trains, or goes on with the run in its folder. @throws ConfigError if another configuration began it */
export async function learnOne(
  task: RunTask,
  watch: Watch & { log?: (line: string) => void },
): Promise<RunOutcome> {
  const { covariance, seed, out, engine } = task;
  const recipe: Cifar10Recipe = CIFAR10_RECIPES[task.recipe];
  const { train: clean, source } = await cleanImages(recipe, task.files);
  const observations = await openObservations(observationsPath(out, seed));
  const config = configOf(recipe, clean.shape, covariance, seed);
  const folder = join(out, "runs", `${covariance}-${seed}`);
  const resume = existsSync(join(folder, "run.json"));
  if (resume) await checkConfig(folder, config);
  const name = `${covariance}, seed ${seed}`;
  const figures = await compileFigures(clean, task.features, engine);
  try {
    const run = await train(observations, config, {
      out: folder,
      resume,
      name,
      notes: notesOf(recipe, source, figures),
      truth: rows(clean, 0, Math.min(config.figures.gallery, clean.shape[0]!)),
      evaluate: figures.evaluate,
      engine,
      ...watch,
      onWarning: (text) => watch.log?.(`${name}: Warning: ${text}`),
      onIteration: async (iteration, metrics) => {
        await writeReport([folder], join(folder, "report.html"));
        watch.log?.(`${name}: ${summarize(iteration, config.em.iterations, metrics)}`);
      },
    });
    return await outcomeOf(run, task, figures.distance);
  } finally {
    await figures.release();
  }
}

/** The configuration of a run. @param shape of the clean images, [n, C, H, W] */
export function configOf(
  recipe: Cifar10Recipe,
  [count, ...shape]: readonly number[],
  covariance: Compared,
  seed: number,
): TrainConfig {
  const ofRecipe = mergeConfig(defaultConfig(shape, count!), recipe.config(count!));
  return mergeConfig(ofRecipe, { seed, eStep: { covariance } });
}

async function checkConfig(folder: string, config: TrainConfig): Promise<void> {
  const { info } = await RunFolder.open(folder);
  if (JSON.stringify(info.config) !== JSON.stringify(config))
    throw new ConfigError(
      `${folder}: expected the configuration that the run there began with, got another. Choose another --out, or remove the folder.`,
    );
}

async function outcomeOf(
  run: RunFolder,
  { covariance, seed }: RunTask,
  distance: string,
): Promise<RunOutcome> {
  const last = await run.lastIteration();
  const all: IterationFigures[] = [];
  for (let k = 0; k <= last; k++) all.push(await run.readFigures(k));
  const sum = (value: (f: IterationFigures) => number | undefined) =>
    all.reduce((total, f) => total + (value(f) ?? 0), 0);
  return {
    covariance,
    seed,
    folder: run.path,
    distances: all.flatMap(({ iteration, metrics }) => {
      const found = metrics[`prior ${distance}`];
      return found === undefined ? [] : [[iteration, found] as const];
    }),
    metrics: all.at(-1)!.metrics,
    warnings: all.flatMap(({ warnings = [] }) => warnings),
    work: { iterations: last, draws: sum((f) => f.eStep.draws), optimizerSteps: sum((f) => f.mStep.steps) },
    seconds: sum(({ seconds }) => Object.values(seconds).reduce((total, value) => total + value, 0)),
  };
}

function notesOf(
  { deleted, noiseVariance }: Cifar10Recipe,
  source: string,
  { distance, features }: { readonly distance: string; readonly features: number },
): string[] {
  return [
    `${source} Values are scaled to [-2, 2]; each pixel was deleted with probability ${deleted} in all channels together, and noise of variance ${noiseVariance} added.`,
    "Clean images are used for the figures and pictures of this report only; training never sees them.",
    distance === "FID"
      ? "FID and inception score are of prior samples against the clean training images."
      : `Frechet distances compare prior samples with the clean training images in ${features} features of a fixed network of random weights: they are no FID, and compare with each other only.`,
  ];
}
