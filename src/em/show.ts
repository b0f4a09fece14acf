import { type HostArray, rows } from "../core/array.ts";
import type { Watch } from "../core/events.ts";
import { type DrawOptions, drawAll } from "../inference/draw-source.ts";
import type { Model } from "../inference/model.ts";
import { compilePosterior } from "../inference/posterior.ts";
import { compilePrior } from "../inference/prior.ts";
import type { Context } from "./context.ts";
import { withNoise } from "./noise.ts";
import { isPictured } from "./pictured.ts";
import { firstDraws } from "./training-draws.ts";

/** Draws what the report shows of an iteration, and the figures; of many iterations, only some are shown. */
export async function showIteration(context: Context, k: number): Promise<Record<string, number>> {
  return isShown(context, k) ? await drawShown(context, k) : {};
}

/** Draws what the report shows of the run's result, unless that is there. */
export async function showResult(context: Context): Promise<void> {
  const { run } = context;
  const best = await run.bestIteration();
  if (best > 0 && !(await run.has(best, "gallery-prior.npy"))) await drawShown(context, best);
}

async function drawShown(context: Context, k: number): Promise<Record<string, number>> {
  const { run, all: observations, config, options, engine } = await withNoise(context, k);
  const { figures, em } = config;
  const evaluate = isEvaluated(context, k) ? options.evaluate : undefined;
  const model = await run.readModel(k);
  const prior = await drawGallery(context, model, k);
  await run.writeArray(k, "gallery-prior.npy", rows(prior, 0, Math.min(figures.prior, prior.shape[0]!)));

  const final = k === em.iterations && evaluate;
  const count = Math.min(final ? figures.samples : figures.gallery, observations.count);
  const choice = { ...run.eStep, batch: Math.min(run.eStep.batch, count) };
  await using source = await compilePosterior(model, observations, choice, engine);
  const posterior = await drawAll(source, [0, count], {
    ...watched(context, k, "Posterior samples"),
    stream: (index) => context.rng.split("gallery", "posterior", index),
  });
  await run.writeArray(k, "gallery-posterior.npy", rows(posterior, 0, Math.min(figures.gallery, count)));
  if (!evaluate) return {};
  return {
    ...(await evaluate("prior", prior)),
    ...(await evaluate("posterior", final ? posterior : firstDraws(context, k, figures.samples))),
  };
}

/** Those that reports show, and those with figures. */
function isShown(context: Context, k: number): boolean {
  return isPictured(k, context.config.em.iterations) || isEvaluated(context, k);
}

/** Whether the figures that need many samples are computed after iteration k. */
function isEvaluated({ config, options }: Context, k: number): boolean {
  const { figures, em } = config;
  return options.evaluate !== undefined && (k % figures.every === 0 || k === em.iterations);
}

/** Prior samples from the same noise in every iteration: those shown and, with `evaluate`, those behind the figures. */
export async function drawGallery(context: Context, model: Model, k: number): Promise<HostArray<"float32">> {
  const { config, engine, run } = context;
  const { figures } = config;
  const atEnds = k === 0 || k === config.em.iterations;
  const evaluated = atEnds ? figures.finalSamples : figures.samples;
  const count = isEvaluated(context, k) ? Math.max(evaluated, figures.prior) : figures.prior;
  const choice = {
    ...run.eStep,
    steps: figures.priorSteps,
    batch: Math.min(run.eStep.batch, count),
  };
  await using source = await compilePrior(model, choice, engine);
  return await drawAll(source, [0, count], {
    ...watched(context, k, "Prior samples"),
    stream: (index) => context.rng.split("gallery", "prior", index),
  });
}

/** How draws for figures are watched and stopped. */
export function watched(
  { config, options: { onEvent, signal } }: Pick<Context, "config"> & { readonly options: Watch },
  iteration: number,
  name: string,
): Omit<DrawOptions, "stream"> {
  return { stage: { name, iteration, iterations: config.em.iterations }, onEvent, signal };
}
