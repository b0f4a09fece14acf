import { type HostArray, rows } from "../core/array.ts";
import { noiseLevels } from "../diffusion/schedule.ts";
import type { Context } from "./context.ts";
import { firstDraws } from "./e-step.ts";
import type { Watch } from "./events.ts";
import { type Model, posteriorSampler, priorSampler } from "./model.ts";
import { isPictured } from "./pictured.ts";
import { posteriorStart } from "./posterior-start.ts";
import { collector, drawPosterior, drawPrior, type SamplingJob } from "./sampling.ts";

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
  const { run, all: observations, config, options, engine } = context;
  const { figures, em } = config;
  const evaluate = isEvaluated(context, k) ? options.evaluate : undefined;
  const model = await run.readModel(k);
  const prior = await drawGallery(context, model, k);
  await run.writeArray(k, "gallery-prior.npy", rows(prior, 0, Math.min(figures.prior, prior.shape[0]!)));

  const final = k === em.iterations && evaluate;
  const count = Math.min(final ? figures.samples : figures.gallery, observations.count);
  const batch = Math.min(config.eStep.batch, count);
  const choice = { ...config.eStep, batch };
  const sampler = await posteriorSampler(model, observations, choice, engine);
  const begun = await posteriorStart(model, observations, choice, engine);
  const posterior = collector(count, observations.header.latentShape);
  try {
    await drawPosterior(
      sampler,
      observations,
      [0, count],
      {
        ...job(context, model, k, "Posterior samples"),
        ...begun,
        stream: (index) => context.rng.split("gallery", "posterior", index),
      },
      posterior.add,
    );
  } finally {
    await sampler.release();
    await begun.release();
  }
  await run.writeArray(k, "gallery-posterior.npy", rows(posterior.all, 0, Math.min(figures.gallery, count)));
  if (!evaluate) return {};
  return {
    ...(await evaluate("prior", prior)),
    ...(await evaluate("posterior", final ? posterior.all : firstDraws(context, k, figures.samples))),
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
  const { config, engine, observations } = context;
  const { figures } = config;
  const atEnds = k === 0 || k === config.em.iterations;
  const evaluated = atEnds ? figures.finalSamples : figures.samples;
  const count = isEvaluated(context, k) ? Math.max(evaluated, figures.prior) : figures.prior;
  const batch = Math.min(config.eStep.batch, count);
  const sampler = await priorSampler(model, { ...config.eStep, batch }, engine);
  const prior = collector(count, observations.header.latentShape);
  try {
    await drawPrior(
      sampler,
      count,
      {
        ...job(context, model, k, "Prior samples"),
        levels: noiseLevels(model.schedule, figures.priorSteps),
        stream: (index) => context.rng.split("gallery", "prior", index),
      },
      prior.add,
    );
  } finally {
    await sampler.release();
  }
  return prior.all;
}

function job(
  { config, options }: Context,
  model: Model,
  iteration: number,
  name: string,
): Omit<SamplingJob, "levels" | "stream"> {
  return {
    model,
    stage: { name, iteration, iterations: config.em.iterations },
    ...watch(options),
  };
}

export function watch({ onEvent, signal }: Watch): Watch {
  return { onEvent, signal };
}
