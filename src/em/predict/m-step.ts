import { AbortedError } from "../../core/errors.ts";
import { Rng } from "../../core/random.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import { baseOf, type Model } from "../../inference/model.ts";
import type { TrainConfig } from "../config/config.ts";
import { drawBatch } from "../m-step/batch.ts";
import { optimizerSettings } from "../m-step/optimizer-graph.ts";
import { compileOptimizerStep } from "../m-step/optimizer-step.ts";
import { initialState } from "../m-step/state.ts";
import { BUDGET_SECONDS, type PredictedPart, type PredictOptions, peakBytes, secondsSince } from "./part.ts";

/** Optimizer steps that are timed after the first, at most. */
const REPEATS = 20;

/** Ends an optimizer step that the budget does not reach for. */
class BudgetSpent extends Error {
  readonly images: number;

  constructor(images: number) {
    super("the budget is spent");
    this.images = images;
  }
}

/**
 * Times an optimizer step on the whole batch, micro-batch by micro-batch, or as many micro-batches as the budget allows.
 * What it trains on, the mean of the Gaussian start, does not matter for that.
 */
export async function timeMStep(
  observations: ObservationSet,
  config: TrainConfig,
  model: Model,
  options: PredictOptions,
): Promise<PredictedPart> {
  const { mStep, em } = config;
  const { network, gaussian, schedule } = model;
  const { engine = {}, signal, onEvent, budgetSeconds = BUDGET_SECONDS } = options;
  const black = observations.header.range?.[0];
  const compiling = performance.now();
  const step = await compileOptimizerStep({ network, mStep, schedule, base: baseOf(model), black }, engine);
  const compileSeconds = secondsSince(compiling);
  const { step: _, slowed: __, ...vectors } = initialState(network, model.parameters!);
  step.setState(vectors);
  const { data } = gaussian.mean;
  const { shape, dropoutRate } = network;
  const began = performance.now();
  const batch = drawBatch(
    { mStep, schedule, shape, dropoutRate, dropouts: step.dropouts },
    { count: observations.count, copyRow: (_index, out, row) => out.set(data, row * data.length) },
    new Rng(config.seed).split("predict"),
  );
  const report = (done: number) =>
    onEvent?.({ stage: "M-step", iteration: 0, iterations: 0, done, total: mStep.batch, unit: "draws" });
  let isFirst = true;
  const rows = (start: number, end: number) => {
    report(start);
    if (signal?.aborted) throw new AbortedError("the prediction was stopped.");
    if (start > 0 && isFirst && secondsSince(began) > budgetSeconds) throw new BudgetSpent(start);
    return batch(start, end);
  };
  let images: number = mStep.batch;
  const take = () => step.run(rows, optimizerSettings(mStep.learningRate[0], 1, mStep.emaDecay));
  let timedSeconds: number;
  try {
    await take();
    timedSeconds = secondsSince(began);
    isFirst = false;
    // The first run of a program is slower than the others.
    const repeats = Math.min(REPEATS, Math.floor((budgetSeconds - timedSeconds) / timedSeconds));
    const again = performance.now();
    for (let k = 0; k < repeats; k++) await take();
    if (repeats > 0) timedSeconds = secondsSince(again) / repeats;
    report(images);
  } catch (error) {
    if (!(error instanceof BudgetSpent)) throw error;
    images = error.images;
    timedSeconds = secondsSince(began);
  } finally {
    await step.release();
  }
  const unitSeconds = (timedSeconds / images) * mStep.batch;
  const steps = (em.iterations - 1) * mStep.steps + mStep.finalSteps;
  return {
    images,
    configuredBatch: mStep.batch,
    compileSeconds,
    timedSeconds,
    timed: images === mStep.batch ? `1 of ${steps} optimizer steps` : "part of an optimizer step",
    unitSeconds,
    seconds: unitSeconds * steps,
    peakBytes: peakBytes(),
  };
}
