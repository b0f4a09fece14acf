import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Outcome } from "../../src/cli/arguments.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { openObservations } from "../../src/data/observations.ts";
import { readLatents, writeScanObservations } from "../../src/data/scan-observations.ts";
import { openScans } from "../../src/data/scans.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config.ts";
import type { Watch } from "../../src/em/events.ts";
import type { ReconstructionFigures } from "../../src/em/reconstruction.ts";
import { train } from "../../src/em/train.ts";
import { type ReconstructionPart, reconstructionPage } from "../../src/report/reconstruction-page.ts";
import { writeReport } from "../../src/report/report.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { type Setting, writeResults } from "../experiment.ts";
import { evaluateAt } from "./evaluate.ts";
import { MRI_RECIPES, type MriRecipe } from "./recipes.ts";
import { splitSlices } from "./split.ts";

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
  /** By acceleration. */
  readonly reconstruction: Readonly<Record<string, ReconstructionFigures>>;
  readonly slices: { readonly train: number; readonly heldOut: number; readonly skipped: number };
}

/**
 * Learns a prior of slices from sub-sampled k-space alone, then reconstructs slices that were held out. A run in `out`
 * that was stopped is continued.
 * @returns the figures, and the page that shows them
 */
export async function runMri(options: MriOptions): Promise<{ results: MriResults; page: string }> {
  const { recipe, out, engine = {}, log = () => undefined } = options;
  await mkdir(out, { recursive: true });
  const scans = await openScans(options.files, {
    slices: recipe.slices,
    onBad: options.onBad ?? "skip",
    ...(recipe.size && { size: recipe.size }),
  });
  try {
    for (const { reason } of scans.skipped) log(`Skipped: ${reason}`);
    const split = splitSlices(scans.slices, recipe.split);
    log(
      `${scans.slices.length} slices ${scans.shape.join(" x ")}: ${split.train.length} to learn from, ${split.heldOut.length} held out, ${scans.skipped.length} files or slices skipped.`,
    );
    const path = join(out, "observations");
    const repeated = repeat(split.train, recipe);
    if (!existsSync(path))
      await writeScanObservations(scans, path, {
        acceleration: recipe.acceleration,
        noiseVariance: recipe.noiseVariance,
        rng: new Rng(options.seed).split("training"),
        ...repeated,
      });
    const observations = await openObservations(path);
    const defaults = defaultConfig(scans.shape, observations.count);
    const ofRecipe = mergeConfig(defaults, { ...recipe.config(observations.count), seed: options.seed });
    const config = mergeConfig(ofRecipe, options.changes ?? {}, "--set");
    const folder = join(out, "run");
    const run = await train(observations, config, {
      out: folder,
      resume: existsSync(join(folder, "run.json")),
      name: "accelerated MRI",
      notes: notesOf(recipe),
      truth: readLatents(scans, repeated.slices.slice(0, config.figures.gallery)),
      engine,
      ...(options.signal && { signal: options.signal }),
      ...(options.onEvent && { onEvent: options.onEvent }),
      onIteration: async (iteration) => {
        await writeReport([folder], join(folder, "report.html"));
        log(`Iteration ${iteration} of ${config.em.iterations} is complete.`);
      },
    });
    const model = await run.readModel(await run.lastIteration());
    const parts: ReconstructionPart[] = [];
    const reconstruction: Record<string, ReconstructionFigures> = {};
    const weights: string[] = [];
    for (const R of recipe.evaluation.accelerations) {
      for (const name of [`held-out-R${R}`, `tuning-R${R}`])
        await rm(join(out, name), { recursive: true, force: true });
      const { part, figures, weight } = await evaluateAt(R, {
        ...options,
        ...split,
        engine,
        scans,
        model,
        config,
      });
      parts.push(part);
      reconstruction[R] = figures;
      weights.push(`${weight} at R = ${R}`);
      log(`R = ${R}: ${JSON.stringify(figures)}`);
    }
    const notes = [...notesOf(recipe), `Weight of the total variation: ${weights.join(", ")}.`];
    const slices = {
      train: split.train.length,
      heldOut: split.heldOut.length,
      skipped: scans.skipped.length,
    };
    const results = { reconstruction, slices };
    return { results, page: reconstructionPage("Accelerated MRI", parts, notes) };
  } finally {
    scans.close();
  }
}

/** The experiment as the runner starts it. @throws ConfigError if no files are given */
export async function mriExperiment(setting: Setting): Promise<Outcome> {
  const { recipe, data, session, out, seed } = setting;
  if (data.length === 0)
    throw new ConfigError(
      "experiment mri: --data is missing. Give --data FILES, HDF5 in fastMRI's layout or NIfTI.",
    );
  const began = performance.now();
  const { results, page } = await runMri({
    recipe: MRI_RECIPES[recipe as keyof typeof MRI_RECIPES], // the runner checked the name
    files: data,
    out,
    seed,
    engine: session.engine,
    ...session.watch,
    log: (line) => session.progress.message(line),
  });
  return await writeResults(setting, (performance.now() - began) / 1000, { ...results }, page);
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
