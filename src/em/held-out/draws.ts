import type { HostArray } from "../../core/array.ts";
import type { Watch } from "../../core/events.ts";
import { drawAll } from "../../inference/draw-source.ts";
import type { Model } from "../../inference/model.ts";
import { compileGuided } from "../../inference/posterior.ts";
import type { Context } from "../context.ts";
import { watched } from "../show.ts";

/** What draws need of the steps' context. */
export interface DrawContext extends Pick<Context, "observations" | "config" | "rng" | "engine"> {
  readonly run: Pick<Context["run"], "eStep">;
  readonly options: Watch;
}

/**
 * Draws for all observations of a context, several times over, by diffusion for the Gaussian start too: a network begins as
 * the Gaussian, so what it learned is all that differs from one iteration's draws to the next's.
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
  const { observations, run, rng, engine } = context;
  const { count } = observations;
  const choice = { ...run.eStep, batch: Math.min(run.eStep.batch, count) };
  await using posterior = await compileGuided(model, observations, choice, engine);
  for (let s = 0; s < times; s++) {
    const own = rng.split(s);
    const x = await drawAll(posterior, [0, count], {
      ...watched(context, k, `Held-out draws ${s + 1} of ${times}`),
      stream: (index) => own.split(index),
    });
    await consume(x, s);
  }
}
