import { rm } from "node:fs/promises";
import { join } from "node:path";
import { corruptArrays } from "../../src/cli/commands/corrupt.ts";
import { rows } from "../../src/core/array.ts";
import type { Watch } from "../../src/core/events.ts";
import { Rng } from "../../src/core/random.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import { readLatents, writeScanObservations } from "../../src/data/scans/scan-observations.ts";
import type { Scans } from "../../src/data/scans/scans.ts";
import type { TrainConfig } from "../../src/em/config/config.ts";
import { compileBaselines } from "../../src/em/evaluation/baselines.ts";
import {
  type ReconstructionFigures,
  reconstructionSummary,
  viewOf,
} from "../../src/em/evaluation/reconstruction.ts";
import type { Model } from "../../src/inference/model.ts";
import { compileGuided } from "../../src/inference/posterior.ts";
import { drawSeveral } from "../../src/inference/several.ts";
import { psnr } from "../../src/metrics/psnr.ts";
import type { ReconstructionPart } from "../../src/report/pages/reconstruction-page.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { type MriRecipe, type Task, taskSizes } from "./recipes.ts";
import type { Split } from "./split.ts";

/** Weights of the total variation to choose from. */
const WEIGHTS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1] as const;
/** Validation slices that the weight is chosen on. */
const TUNING_SLICES = 4;

export interface EvaluationJob extends Watch {
  readonly recipe: MriRecipe;
  readonly config: TrainConfig;
  readonly model: Model;
  readonly scans: Scans;
  readonly split: Split;
  /** Which of the slices are reconstructed. */
  readonly on: "test" | "validation";
  /** Folder for observations. */
  readonly out: string;
  readonly engine: EngineOptions;
}

/** For titles, e.g. "Acceleration 4", with a space that no line breaks at. */
export function taskName(task: Task): string {
  return task === "crop" ? "Centred\u00a0crop" : `Acceleration\u00a0${task}`;
}

/** Reconstructs held-out slices from one kind of measurement. */
export async function evaluateOn(
  task: Task,
  job: EvaluationJob,
): Promise<{ part: ReconstructionPart; figures: ReconstructionFigures; weight: number }> {
  const { recipe, scans, engine, config, model } = job;
  const { evaluation } = recipe;
  const { slices, samples } = taskSizes(recipe, task);
  const chosen = spread(job.split[job.on], slices);
  const rng = new Rng(config.seed).split(job.on, task);
  const path = await observe(job.on, task, chosen, job);
  const observations = await openObservations(path);
  const { header, count } = observations;
  const weight = await chooseWeight(task, job);
  const batch = Math.min(evaluation.batch, count);
  const { steps, cgSteps, clip } = evaluation;
  await using source = await compileGuided(
    clip ? model : { ...model, limits: undefined },
    observations,
    { ...config.eStep, batch, steps, cgSteps },
    engine,
  );
  const summary = reconstructionSummary(observations, { weight, engine });
  const truth = readLatents(scans, chosen);
  try {
    const drawn = drawSeveral(source, [0, count], samples, {
      signal: job.signal,
      onEvent: job.onEvent,
      stream: (index, s) => rng.split("draw", index, s),
      stage: { name: taskName(task), iteration: 0, iterations: 0 },
    });
    for await (const { first, samples: draws } of drawn) {
      const end = first + draws.shape[0]!;
      await summary.add(await observations.read(first, end), draws, rows(truth, first, end));
    }
    const figures = summary.figures();
    const part = {
      title: taskName(task),
      figures,
      images: summary.images(),
      range: viewOf(header).range,
    };
    return { part, figures, weight };
  } finally {
    await summary.release();
  }
}

/** Writes a folder of simulated measurements of some slices, in place of what an earlier evaluation left there. @returns its path */
async function observe(
  name: string,
  task: Task,
  slices: readonly number[],
  job: EvaluationJob,
): Promise<string> {
  const { recipe, scans, config, out } = job;
  const { noiseVariance } = recipe;
  const path = join(out, `${name}-${task}`);
  await rm(path, { recursive: true, force: true });
  const rng = new Rng(config.seed).split(name, task);
  if (task !== "crop") {
    await writeScanObservations(scans, path, { acceleration: task, noiseVariance, rng, slices });
    return path;
  }
  const [, H, W] = scans.shape;
  await corruptArrays(readLatents(scans, slices), path, {
    corruption: { name: "crop", size: [Math.floor(H / 2), Math.floor(W / 2)] },
    noiseVariance,
    seed: rng.integer(2 ** 31),
    range: [-2, 2],
  });
  return path;
}

/**
 * The weight with the highest PSNR on a few validation slices, whose truth is used: that favours the baseline, for the
 * prior never sees a fully sampled slice.
 */
async function chooseWeight(task: Task, job: EvaluationJob): Promise<number> {
  const { scans, split, engine } = job;
  const slices = spread(split.validation, TUNING_SLICES);
  const path = await observe("tuning", task, slices, job);
  const observations = await openObservations(path);
  const batch = await observations.read(0, slices.length);
  const truth = readLatents(scans, slices);
  await using baselines = await compileBaselines(observations, slices.length, engine);
  let best: { weight: number; quality: number } | undefined;
  for (const weight of WEIGHTS) {
    const found = await baselines.totalVariation(batch, weight);
    const quality = psnr(found.data, truth.data, 4);
    if (best === undefined || quality > best.quality) best = { weight, quality };
  }
  return best!.weight;
}

/**
 * How alike held-out slices are to those of training: PSNR of the most similar training slice in place of the truth, mean
 * over the held-out slices. A prior that only remembered its training slices could not do better.
 */
export function nearestTrainingSlice({ scans, split, on }: EvaluationJob): number {
  const read = (numbers: readonly number[]) => numbers.map((number) => scans.read(number).data);
  const known = read(split.train);
  const nearest = read(split[on]).map((truth) => Math.max(...known.map((slice) => psnr(slice, truth, 4))));
  return nearest.reduce((sum, quality) => sum + quality, 0) / nearest.length;
}

/** `most` members, evenly spread. */
function spread(numbers: readonly number[], most: number): number[] {
  const n = Math.min(most, numbers.length);
  return Array.from({ length: n }, (_, i) => numbers[Math.floor(((i + 0.5) * numbers.length) / n)]!);
}
