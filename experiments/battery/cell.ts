/** One cell with one seed: makes observations, learns from them, and judges what was learned. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { float32 } from "../../src/core/array.ts";
import { makeFolder } from "../../src/core/files.ts";
import { Rng } from "../../src/core/random.ts";
import { openObservations } from "../../src/data/observations/observations.ts";
import type { Model } from "../../src/inference/model.ts";
import { compilePosterior } from "../../src/inference/posterior.ts";
import type { Calibration } from "./calibration.ts";
import type { Cell } from "./cells.ts";
import { learnClean } from "./clean.ts";
import type { Squared } from "./distance.ts";
import { exactPriorSource } from "./exact-prior.ts";
import { distancesOf, posteriorJudge, type Sizes } from "./judge.ts";
import { type LearnOptions, learn, samplePrior } from "./learn.ts";
import { observe, writeObserved } from "./measurements.ts";
import { drawMixture, momentsOfMixture } from "./mixture.ts";
import { TRUTHS, type Truth } from "./truths.ts";

/** Everything that is known of a cell and a seed. Distances are those of `distanceTo`. */
export interface CellResult {
  readonly cell: string;
  readonly seed: number;
  /** Fields that were set in place of defaults. */
  readonly set: readonly string[];
  /** The iteration that is the run's result, and the last one. */
  readonly iteration: number;
  readonly last: number;
  readonly prior: {
    /** The Gaussian that EM begins from. */
    readonly start: Squared;
    /** The run's result. */
    readonly end: Squared;
    /** Its last iteration. */
    readonly last: Squared;
    /** The same network after the same M-steps on the latents themselves. */
    readonly clean: Squared;
  };
  /** Draws from the posteriors under the result. */
  readonly posterior: Calibration;
  /** The same under the exact prior, and the distance of one draw for each observation. */
  readonly exactPrior: Calibration & { readonly distance: Squared };
  /** Warnings that the run gave. */
  readonly warnings: number;
  readonly seconds: { readonly train: number; readonly clean: number; readonly judge: number };
}

export interface CellOptions extends LearnOptions {
  /** Folder for observations and the run, which goes on where it was stopped. */
  readonly folder: string;
  readonly sizes: Sizes;
}

export async function runCell(cell: Cell, options: CellOptions): Promise<CellResult> {
  const { seed, set, engine, signal, folder, sizes } = options;
  const truth: Truth = TRUTHS[cell.truth];
  const { components, latentShape } = truth;
  const rng = new Rng(seed).split("battery", cell.name);
  const x = drawMixture(components, cell.count, rng.split("latents"));
  const latents = float32(x, [cell.count, ...latentShape]);
  const { mean } = momentsOfMixture(components);
  const observed = await observe(latents, mean, cell.measured, cell.noise, rng.split("y"), engine);
  await makeFolder(folder);
  const path = join(folder, "observations");
  if (!existsSync(path)) await writeObserved(path, observed, signal);
  const observations = await openObservations(path);

  const lap = stopwatch();
  let warnings = 0;
  const onWarning = (text: string) => {
    warnings++;
    options.onWarning?.(text);
  };
  const run = await learn(observations, join(folder, "run"), { ...options, onWarning });
  const train = lap();
  const cleanModel = await learnClean(run, latents, engine, signal);
  const clean = lap();

  const { config } = run.info;
  const last = await run.lastIteration();
  const iteration = await run.bestIteration();
  const distance = distancesOf(truth, sizes.prior);
  const prior = async (model: Model) =>
    distance((await samplePrior(model, config, sizes.prior, rng.split("prior"), engine)).data);
  const model = await run.readModel(iteration);
  const priors = {
    start: await prior(await run.readModel(0)),
    end: await prior(model),
    last: await prior(await run.readModel(last)),
    clean: await prior(cleanModel),
  };

  const judge = await posteriorJudge(
    truth,
    latents,
    observed,
    observations,
    sizes,
    rng.split("posterior"),
    engine,
  );
  await using learned = await compilePosterior(model, observations, config.eStep, engine);
  const posterior = await judge.calibration(learned);
  await using exact = await exactPriorSource(components, model, config, observations, engine);
  const exactPrior = { ...(await judge.calibration(exact)), distance: await judge.distance(exact) };
  const seconds = { train, clean, judge: lap() };
  return {
    cell: cell.name,
    seed,
    set,
    iteration,
    last,
    prior: priors,
    posterior,
    exactPrior,
    warnings,
    seconds,
  };
}

/** Seconds since the call before. */
function stopwatch(): () => number {
  let began = performance.now();
  return () => {
    const seconds = (performance.now() - began) / 1000;
    began = performance.now();
    return Number(seconds.toFixed(1));
  };
}
