import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Outcome } from "../../src/cli/arguments.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { type Observations, openObservations } from "../../src/data/observations.ts";
import { readLatents, writeScanObservations } from "../../src/data/scan-observations.ts";
import { openScans, type Scans } from "../../src/data/scans.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../../src/em/config.ts";
import type { Watch } from "../../src/em/events.ts";
import type { Model } from "../../src/em/model.ts";
import { type Prediction, predictRun } from "../../src/em/predict.ts";
import type { ReconstructionFigures } from "../../src/em/reconstruction.ts";
import { train } from "../../src/em/train.ts";
import { type ReconstructionPart, reconstructionPage } from "../../src/report/reconstruction-page.ts";
import { writeReport } from "../../src/report/report.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { type Setting, writePrediction, writeResults } from "../experiment.ts";
import { evaluateOn, taskName } from "./evaluate.ts";
import { claimFolder } from "./identity.ts";
import { MRI_RECIPES, type MriRecipe, type Task } from "./recipes.ts";
import { type Split, splitSlices } from "./split.ts";

export interface MriOptions extends Watch {
  readonly recipe: MriRecipe;
  /** HDF5 files in fastMRI's layout, or NIfTI volumes. */
  readonly files: readonly string[];
  /** Folder for observations and run. */
  readonly out: string;
  readonly seed: number;
  /** Changes of the configuration, over the recipe's. */
  readonly changes?: object;
  /** What to do with damaged files and slices. Default "skip". */
  readonly onBad?: "skip" | "refuse";
  readonly engine?: EngineOptions;
  /** Receives lines about what happened. */
  readonly log?: (line: string) => void;
}

/** The figures of results.json. */
export interface MriResults {
  /** By acceleration, or "crop". */
  readonly reconstruction: Readonly<Record<string, ReconstructionFigures>>;
  readonly slices: { readonly train: number; readonly heldOut: number; readonly skipped: number };
}

/** What is ready before learning begins. */
interface Prepared {
  readonly scans: Scans;
  readonly split: Split;
  /** Numbers of the slices behind the observations. */
  readonly slices: readonly number[];
  readonly observations: Observations;
  readonly config: TrainConfig;
}

/** Reads the files and writes the observations to learn from, unless they are there already; then works on them. */
async function withPrepared<T>(options: MriOptions, work: (prepared: Prepared) => Promise<T>): Promise<T> {
  const { recipe, out, files, seed, changes, log = () => undefined } = options;
  await mkdir(out, { recursive: true });
  const scans = await openScans(files, {
    slices: recipe.slices,
    onBad: options.onBad ?? "skip",
    ...(recipe.size && { size: recipe.size }),
  });
  try {
    await claimFolder(out, { recipe, seed, files, changes });
    for (const { reason } of scans.skipped) log(`Skipped: ${reason}`);
    const split = splitSlices(scans.slices, recipe.split);
    log(
      `${scans.slices.length} slices ${scans.shape.join(" x ")}: ${split.train.length} to learn from, ${split.heldOut.length} held out, ${scans.skipped.length} files or slices skipped.`,
    );
    const path = join(out, "observations");
    const repeated = repeat(split.train, recipe);
    const { acceleration, noiseVariance } = recipe;
    const rng = new Rng(seed).split("training");
    if (!existsSync(path))
      await writeScanObservations(scans, path, { acceleration, noiseVariance, rng, ...repeated });
    const observations = await openObservations(path);
    const defaults = defaultConfig(scans.shape, observations.count);
    const ofRecipe = mergeConfig(defaults, { ...recipe.config(observations.count), seed });
    const config = mergeConfig(ofRecipe, changes ?? {}, "--set");
    return await work({ scans, split, slices: repeated.slices, observations, config });
  } finally {
    scans.close();
  }
}

/**
 * Learns a prior of slices from sub-sampled k-space alone, then reconstructs slices that were held out. A run in `out`
 * that was stopped is continued.
 * @returns the figures, and the page that shows them
 * @throws ConfigError if `out` holds a run of other settings
 */
export async function runMri(options: MriOptions): Promise<{ results: MriResults; page: string }> {
  return await withPrepared(options, async (prepared) => {
    const model = await learn(options, prepared);
    return await evaluate(options, prepared, model);
  });
}

/** How long learning would take here, from a batch of each of its parts. @param largestBatch the most images timed together */
export async function predictMri(options: MriOptions, largestBatch: number): Promise<Prediction> {
  const { engine = {}, log } = options;
  return await withPrepared(options, ({ observations, config }) =>
    predictRun(observations, config, { engine, largestBatch, ...(log && { log }) }),
  );
}

async function learn(
  { recipe, out, engine = {}, signal, onEvent, log = () => undefined }: MriOptions,
  { scans, slices, observations, config }: Prepared,
): Promise<Model> {
  const folder = join(out, "run");
  const run = await train(observations, config, {
    out: folder,
    resume: existsSync(join(folder, "run.json")),
    name: "accelerated MRI",
    notes: notesOf(recipe),
    truth: readLatents(scans, slices.slice(0, config.figures.gallery)),
    engine,
    ...(signal && { signal }),
    ...(onEvent && { onEvent }),
    onIteration: async (iteration) => {
      await writeReport([folder], join(folder, "report.html"));
      log(`Iteration ${iteration} of ${config.em.iterations} is complete.`);
    },
  });
  return await run.readModel(await run.lastIteration());
}

async function evaluate(
  options: MriOptions,
  { scans, split, config }: Prepared,
  model: Model,
): Promise<{ results: MriResults; page: string }> {
  const { recipe, engine = {}, log = () => undefined } = options;
  const parts: ReconstructionPart[] = [];
  const reconstruction: Record<string, ReconstructionFigures> = {};
  const weights: string[] = [];
  for (const task of recipe.evaluation.tasks) {
    const job = { ...options, ...split, engine, scans, model, config };
    const { part, figures, weight } = await evaluateOn(task, job);
    parts.push(part);
    reconstruction[task] = figures;
    weights.push(`${weight} (${taskName(task).toLowerCase()})`);
    log(`${taskName(task)}: ${JSON.stringify(figures)}`);
  }
  const notes = [...notesOf(recipe), `Weight of the total variation: ${weights.join(", ")}.`];
  const slices = {
    train: split.train.length,
    heldOut: split.heldOut.length,
    skipped: scans.skipped.length,
  };
  return { results: { reconstruction, slices }, page: reconstructionPage("Accelerated MRI", parts, notes) };
}

/** The most images that a prediction times together: of the 77.6 million parameters' activations no more fit into 16 GiB. */
const PREDICTION_BATCH = 2;

/** The experiment as the runner starts it. @throws ConfigError if no files are given */
export async function mriExperiment(setting: Setting): Promise<Outcome> {
  const { recipe: name, data, session, out, seed } = setting;
  if (data.length === 0)
    throw new ConfigError(
      "experiment mri: --data is missing. Give --data FILES, HDF5 in fastMRI's layout or NIfTI.",
    );
  const began = performance.now();
  const recipe: MriRecipe = MRI_RECIPES[name as keyof typeof MRI_RECIPES]; // the runner checked the name
  const tasks = setting.tasks.length > 0 ? setting.tasks.map(parseTask) : recipe.evaluation.tasks;
  const options: MriOptions = {
    recipe: { ...recipe, evaluation: { ...recipe.evaluation, tasks } },
    files: data,
    out,
    seed,
    engine: session.engine,
    ...session.watch,
    log: (line) => session.progress.message(line),
  };
  if (setting.predict) return await writePrediction(out, await predictMri(options, PREDICTION_BATCH));
  const { results, page } = await runMri(options);
  return await writeResults(setting, (performance.now() - began) / 1000, { ...results }, page);
}

/** @throws ConfigError unless it is an acceleration or "crop" */
function parseTask(text: string): Task {
  if (text === "crop") return text;
  const R = Number(text);
  if (!(R >= 1 && Number.isFinite(R)))
    throw new ConfigError(`--tasks: expected accelerations from 1 and crop, got "${text}".`);
  return R;
}

/** Slices as often as they are measured and duplicated; a duplicate has the stream of the measurement that it repeats. */
function repeat(numbers: readonly number[], { measurements, duplicates }: MriRecipe) {
  const all = Array.from({ length: measurements * duplicates }, (_, k) =>
    numbers.map((slice, i) => ({ slice, stream: (k % measurements) * numbers.length + i })),
  ).flat();
  return { slices: all.map(({ slice }) => slice), streams: all.map(({ stream }) => stream) };
}

function notesOf(recipe: MriRecipe): string[] {
  const { acceleration, noiseVariance, measurements, split, size } = recipe;
  return [
    `Magnitude images scaled to [-2, 2] by the largest value of their volume${size ? `, averaged to ${size.join(" x ")} pixels` : ""}.`,
    `The prior learned from k-space of which 1 / ${acceleration} of the columns was kept at random, with noise of variance ${noiseVariance}; each slice was measured ${measurements === 1 ? "once" : `${measurements} times, each with a mask of its own`}. It has never seen a fully sampled slice.`,
    `Held out were whole volumes where there are ten or more, else a slab of neighbouring slices in the middle of each volume (${100 * split.heldOut} % of it); ${split.gap} slices on both sides of a slab were not used, because neighbours look alike.`,
    "The weight of the total variation was chosen by PSNR on training slices, with their truth: that favours the baseline.",
  ];
}
