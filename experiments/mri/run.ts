import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Watch } from "../../src/core/events.ts";
import { Rng } from "../../src/core/random.ts";
import { type Observations, openObservations } from "../../src/data/observations/observations.ts";
import { readLatents, writeScanObservations } from "../../src/data/scans/scan-observations.ts";
import { openScans, type Scans } from "../../src/data/scans/scans.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../../src/em/config/config.ts";
import type { ReconstructionFigures } from "../../src/em/evaluation/reconstruction.ts";
import { type Prediction, type PredictOptions, predictRun } from "../../src/em/predict.ts";
import { train } from "../../src/em/train.ts";
import type { Model } from "../../src/inference/model.ts";
import { type ReconstructionPart, reconstructionPage } from "../../src/report/pages/reconstruction-page.ts";
import { writeReport } from "../../src/report/report.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { evaluateOn, nearestTrainingSlice, taskName } from "./evaluate.ts";
import { claimFolder } from "./identity.ts";
import { allTasks, type MriRecipe, type Task } from "./recipes.ts";
import { type Split, splitSlices } from "./split.ts";

export interface MriOptions extends Watch {
  readonly recipe: MriRecipe;
  /** HDF5 files in fastMRI's layout, or NIfTI volumes. */
  readonly files: readonly string[];
  /** Folder for observations and run. */
  readonly out: string;
  readonly seed: number;
  /** Slices to reconstruct. Default "test"; settings are chosen on "validation". */
  readonly on?: "test" | "validation";
  /** What to reconstruct from. Default: all tasks of the recipe. */
  readonly tasks?: readonly Task[];
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
  readonly slices: Readonly<Record<"train" | "validation" | "test" | "skipped", number>>;
  readonly evaluatedOn: "test" | "validation";
  /** PSNR of the most similar training slice in place of the truth, mean over the slices that are reconstructed. */
  readonly nearestTrainingSlicePsnr: number;
  readonly configuration: { readonly recipe: object; readonly train: TrainConfig };
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
      `${scans.slices.length} slices ${scans.shape.join(" x ")}: ${split.train.length} to learn from, ${split.validation.length} for validation and ${split.test.length} for tests, ${scans.skipped.length} files or slices skipped.`,
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

/** How long learning would take here. */
export async function predictMri(options: MriOptions, choice: PredictOptions = {}): Promise<Prediction> {
  const { engine = {}, log, signal, onEvent } = options;
  const own = { engine, signal, onEvent, ...(log && { log }), ...choice };
  return await withPrepared(options, ({ observations, config }) => predictRun(observations, config, own));
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
  return await run.readModel(await run.bestIteration());
}

async function evaluate(
  options: MriOptions,
  { scans, split, config }: Prepared,
  model: Model,
): Promise<{ results: MriResults; page: string }> {
  const { recipe, engine = {}, on = "test", log = () => undefined } = options;
  const parts: ReconstructionPart[] = [];
  const reconstruction: Record<string, ReconstructionFigures> = {};
  const weights: string[] = [];
  const job = { ...options, on, split, engine, scans, model, config };
  for (const task of options.tasks ?? allTasks(recipe)) {
    const { part, figures, weight } = await evaluateOn(task, job);
    parts.push(part);
    reconstruction[task] = figures;
    weights.push(`${weight} (${taskName(task).toLowerCase()})`);
    log(`${taskName(task)}: ${JSON.stringify(figures)}`);
  }
  const nearest = nearestTrainingSlice(job);
  const notes = [
    `Reconstructed were ${on} slices. The training slice most similar to each has a PSNR of ${nearest.toFixed(1)} dB on average.`,
    ...notesOf(recipe),
    `Weight of the total variation: ${weights.join(", ")}.`,
  ];
  const { config: _, ...sizes } = recipe;
  const results = {
    reconstruction,
    slices: {
      train: split.train.length,
      validation: split.validation.length,
      test: split.test.length,
      skipped: scans.skipped.length,
    },
    evaluatedOn: on,
    nearestTrainingSlicePsnr: nearest,
    configuration: { recipe: sizes, train: config },
  };
  return { results, page: reconstructionPage("Accelerated MRI", parts, notes) };
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
    `Held out were whole volumes where there are ten or more, else two slabs of neighbouring slices of each volume: around its first third for tests (${percent(split.test)}), around its second for validation (${percent(split.validation)}); ${split.gap} slices on both sides of a slab were not used, because neighbours look alike. Settings were chosen on validation slices.`,
    "The weight of the total variation was chosen by PSNR on validation slices, with their truth: that favours the baseline.",
  ];
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
