import type { HostArray } from "../../core/array.ts";
import { type DrawContext, gaussianDraws } from "../e-step.ts";
import { type Model, posteriorSampler } from "../model.ts";
import { posteriorStart } from "../posterior-start.ts";
import { collector, drawPosterior } from "../sampling.ts";

/**
 * Draws for all observations of a context, several times over: exact ones under the Gaussian start, else as the E-step draws.
 * @param k iteration of the model, for progress
 * @param consume takes draws [count, ...latent] in the user's units, and their number s
 */
export async function drawRepeatedly(
  context: DrawContext,
  model: Model,
  k: number,
  times: number,
  consume: (x: HostArray<"float32">, s: number) => Promise<void>,
): Promise<void> {
  const { count, header } = context.observations;
  const source = model.parameters ? await openDiffusion(context, model) : undefined;
  try {
    for (let s = 0; s < times; s++) {
      const own = { ...context, rng: context.rng.split(s) };
      const { all, add } = collector(count, header.latentShape);
      const stage = { name: `Held-out draws ${s + 1} of ${times}`, iteration: k };
      if (source) await source.draw(own, stage, add);
      else await gaussianDraws(own, model, [0, count], add, stage);
      await consume(all, s);
    }
  } finally {
    await source?.release();
  }
}

async function openDiffusion({ observations, config, engine }: DrawContext, model: Model) {
  const { count } = observations;
  const choice = { ...config.eStep, batch: Math.min(config.eStep.batch, count) };
  const sampler = await posteriorSampler(model, observations, choice, engine);
  const begun = await posteriorStart(model, observations, choice, engine);
  return {
    draw: async (
      { rng, options }: DrawContext,
      stage: { readonly name: string; readonly iteration: number },
      add: (samples: HostArray<"float32">, first: number) => void,
    ) => {
      const { onEvent, signal } = options;
      const progress = { ...stage, iterations: config.em.iterations };
      const stream = (index: number) => rng.split(index);
      const job = { model, ...begun, stream, stage: progress, onEvent, signal };
      await drawPosterior(sampler, observations, [0, count], job, add);
    },
    release: async () => {
      await sampler.release();
      await begun.release();
    },
  };
}
