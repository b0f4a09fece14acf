import { join } from "node:path";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { openObservations } from "../../src/data/observations.ts";
import { readLatents, writeScanObservations } from "../../src/data/scan-observations.ts";
import type { Scans } from "../../src/data/scans.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import { compileBaselines } from "../../src/em/baselines.ts";
import type { TrainConfig } from "../../src/em/config.ts";
import type { Watch } from "../../src/em/events.ts";
import { type Model, posteriorSampler } from "../../src/em/model.ts";
import { type ReconstructionFigures, reconstructionSummary, viewOf } from "../../src/em/reconstruction.ts";
import { drawPosterior } from "../../src/em/sampling.ts";
import { psnr } from "../../src/metrics/psnr.ts";
import type { ReconstructionPart } from "../../src/report/reconstruction-page.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import type { MriRecipe } from "./recipes.ts";

/** Weights of the total variation to choose from. */
const WEIGHTS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1] as const;
/** Training slices that the weight is chosen on. */
const TUNING_SLICES = 4;

export interface EvaluationJob extends Watch {
  readonly recipe: MriRecipe;
  readonly config: TrainConfig;
  readonly model: Model;
  readonly scans: Scans;
  readonly train: readonly number[];
  readonly heldOut: readonly number[];
  /** Folder for observations. */
  readonly out: string;
  readonly engine: EngineOptions;
}

/** Reconstructs held-out slices at one acceleration. */
export async function evaluateAt(
  R: number,
  job: EvaluationJob,
): Promise<{ part: ReconstructionPart; figures: ReconstructionFigures; weight: number }> {
  const { recipe, scans, engine, out, config, model } = job;
  const { evaluation, noiseVariance } = recipe;
  const chosen = spread(job.heldOut, evaluation.slices);
  const path = join(out, `held-out-R${R}`);
  const rng = new Rng(config.seed).split("held-out", R);
  await writeScanObservations(scans, path, { acceleration: R, noiseVariance, rng, slices: chosen });
  const observations = await openObservations(path);
  const { header, count } = observations;
  const weight = await chooseWeight(R, job);
  const batch = Math.min(evaluation.batch, count);
  const sampler = await posteriorSampler(
    evaluation.clip ? model : { ...model, limits: undefined },
    observations,
    { ...config.eStep, batch, cgSteps: evaluation.cgSteps },
    engine,
  );
  const summary = reconstructionSummary(observations, { weight, engine });
  const truth = readLatents(scans, chosen);
  try {
    for (let first = 0; first < count; first += batch) {
      const end = Math.min(first + batch, count);
      const draws: HostArray<"float32">[] = [];
      for (let s = 0; s < evaluation.samples; s++)
        await drawPosterior(
          sampler,
          observations,
          [first, end],
          {
            ...(job.signal && { signal: job.signal }),
            onEvent: (event) => {
              const done = first * evaluation.samples + s * (end - first) + event.done;
              job.onEvent?.({ ...event, done, total: count * evaluation.samples });
            },
            model,
            levels: noiseLevels(config.schedule, evaluation.steps),
            stream: (index) => rng.split("draw", index, s),
            stage: { name: `Reconstruction, R = ${R}`, iteration: 0, iterations: 0 },
          },
          (samples) => {
            draws.push(samples);
          },
        );
      await summary.add(await observations.read(first, end), stack(draws), rows(truth, first, end));
    }
    const figures = summary.figures();
    const part = {
      title: `Acceleration ${R}`,
      figures,
      images: summary.images(),
      range: viewOf(header).range,
    };
    return { part, figures, weight };
  } finally {
    await summary.release();
    await sampler.release();
  }
}

/**
 * The weight with the highest PSNR on a few training slices, whose truth is used: that favours the baseline, for the prior
 * never sees a fully sampled slice.
 */
async function chooseWeight(R: number, job: EvaluationJob): Promise<number> {
  const { recipe, scans, train, out, engine, config } = job;
  const slices = spread(train, TUNING_SLICES);
  const path = join(out, `tuning-R${R}`);
  const rng = new Rng(config.seed).split("tuning", R);
  await writeScanObservations(scans, path, {
    acceleration: R,
    noiseVariance: recipe.noiseVariance,
    rng,
    slices,
  });
  const observations = await openObservations(path);
  const batch = await observations.read(0, slices.length);
  const truth = readLatents(scans, slices);
  const baselines = await compileBaselines(observations, slices.length, engine);
  let best: { weight: number; quality: number } | undefined;
  for (const weight of WEIGHTS) {
    const found = await baselines.totalVariation(batch, weight);
    const quality = psnr(found.data, truth.data, 4);
    if (best === undefined || quality > best.quality) best = { weight, quality };
  }
  await baselines.release();
  return best!.weight;
}

/** `most` members, evenly spread. */
function spread(numbers: readonly number[], most: number): number[] {
  const n = Math.min(most, numbers.length);
  return Array.from({ length: n }, (_, i) => numbers[Math.floor(((i + 0.5) * numbers.length) / n)]!);
}

/** S arrays [n, ...shape] as [n, S, ...shape]. */
function stack(arrays: readonly HostArray<"float32">[]): HostArray<"float32"> {
  const [n, ...shape] = arrays[0]!.shape as [number, ...number[]];
  const [S, size] = [arrays.length, sizeOf(shape)];
  const all = float32(new Float32Array(n * S * size), [n, S, ...shape]);
  arrays.forEach((array, s) => {
    for (let i = 0; i < n; i++) all.data.set(rows(array, i, i + 1).data, (i * S + s) * size);
  });
  return all;
}
