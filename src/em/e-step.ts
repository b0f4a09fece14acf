import type { HostArray } from "../core/array.ts";
import { noiseLevels } from "../diffusion/schedule.ts";
import type { Context } from "./context.ts";
import { observationRange, ranges } from "./course.ts";
import { DrawFiles } from "./draws.ts";
import { drawGaussianPosterior } from "./gaussian-draws.ts";
import { type Model, posteriorSampler } from "./model.ts";
import { drawResidual } from "./residual.ts";
import { clip, collector, drawPosterior } from "./sampling.ts";

/** The E-step [algorithm 1, lines 4-6]: one posterior draw for each of the next observations, into draws.npy. */
export async function expectation(
  context: Context,
  k: number,
): Promise<{ draws: number; firstObservation: number; residual: number }> {
  const { run, observations, config, options, engine } = context;
  const { start, count } = observationRange(config, observations.count, k);
  const model = await run.readModel(k - 1);
  const sampler =
    k > 1 ? await posteriorSampler(model, observations.header, config.eStep, engine) : undefined;
  try {
    await run.writeDraws(k, count, async (append) => {
      let drawn = 0;
      for (const range of ranges(start, count, observations.count)) {
        const offset = drawn;
        if (!sampler) await gaussianDraws(context, model, range, append);
        else
          await drawPosterior(
            sampler,
            observations,
            range,
            {
              model,
              levels: noiseLevels(config.schedule, config.eStep.steps),
              stream: (index) => context.rng.split("e-step", k, index),
              range: config.eStep.clip ? run.range : undefined,
              stage: { name: "E-step", iteration: k, iterations: config.em.iterations },
              signal: options.signal,
              onEvent: (event) => options.onEvent?.({ ...event, done: event.done + offset, total: count }),
            },
            append,
          );
        drawn += range[1] - range[0];
      }
    });
  } finally {
    await sampler?.release();
  }
  const some = firstDraws(context, k, Math.min(RESIDUAL_DRAWS, count, observations.count - start));
  const residual = await drawResidual(observations, start, some, engine);
  return { draws: count, firstObservation: start, residual };
}

/** Draws whose agreement with the observations is measured. */
const RESIDUAL_DRAWS = 256;

/** The first draws of iteration k. */
export function firstDraws({ run, observations }: Context, k: number, count: number): HostArray<"float32"> {
  const { latentShape } = observations.header;
  const draws = new DrawFiles([run.file(k, "draws.npy")], latentShape);
  const some = collector(Math.min(count, draws.count), latentShape).all;
  for (let i = 0; i < some.shape[0]!; i++) draws.copyRow(i, some.data, i);
  draws.close();
  return some;
}

/** Exact posterior draws under the Gaussian start, clipped like all draws. */
export async function gaussianDraws(
  { run, observations, config, rng, engine }: Context,
  model: Model,
  range: readonly [number, number],
  consume: (samples: HostArray<"float32">, first: number) => Promise<void> | void,
): Promise<void> {
  const limits = config.eStep.clip ? run.range : undefined;
  await drawGaussianPosterior(
    model.gaussian,
    observations,
    range,
    (index) => rng.split("e-step", 1, index),
    engine,
    (samples, first) => consume(limits ? clip(samples, limits) : samples, first),
  );
}
