import { fromUser, inCoordinates } from "../../data/observations/coordinates.ts";
import type { Model } from "../../inference/model.ts";
import { type Answers, answersOf, scoreOf } from "../../trust/held-out/answers.ts";
import { compilePredictor } from "../../trust/held-out/predictor.ts";
import { priorVariances } from "../../trust/held-out/scale.ts";
import { hideSome } from "../../trust/held-out/split.ts";
import type { TrainConfig } from "../config/config.ts";
import { type DrawContext, drawRepeatedly } from "./draws.ts";

/** Draws for each observation: the score is fair for any number from two on, and less noisy for more. */
const DRAWS = { least: 2, most: 16, vectors: 1024 } as const;
/** Observations that are scored. A U-Net's draws are dear, but tell much: this share of those drawn for in an iteration. */
const SCORED = { most: 256, share: 1 / 8, least: 16 } as const;

/** How many of the held-out observations are scored after each iteration. */
export function scoredCount({ em, network }: TrainConfig, training: number, heldOut: number): number {
  const all = Math.min(heldOut, SCORED.most);
  if (network.type === "mlp") return all;
  const each = em.observations === 0 ? training : Math.min(em.observations, training);
  return Math.min(all, Math.max(SCORED.least, Math.ceil(SCORED.share * each)));
}

/** Draws by diffusion for each of so many observations; those of vectors are cheap. */
export function drawsEach({ network }: TrainConfig, count: number): number {
  if (network.type === "unet") return DRAWS.least;
  return Math.min(DRAWS.most, Math.max(DRAWS.least, Math.floor(DRAWS.vectors / count)));
}

/**
 * How well a prior predicts numbers that it was never shown. Of each observation a fifth of the measured entries, y_2, is
 * hidden, x_1 ... x_S are drawn given the others, y_1, and
 *   score = mean over entries of fairCrps(A_2 x_s + n_s, y_2) / d,   n_s ~ p(n_2 | n_1 = y_1 - A_1 x_s),
 * d^2 the entry's variance under the Gaussian start, its noise included. Smaller is better; the right prior has the
 * smallest, on average. What is hidden, the scales and all random numbers are functions of the context's stream alone, so
 * the difference of two models' scores is far more certain than either.
 * @param context whose observations were held out
 * @param start the Gaussian start, and the variance of its noise over that of the observations (default 1)
 * @param k iteration of the model, for progress
 * @returns a score for each observation, [count]
 */
export async function heldOutScores(
  context: DrawContext,
  start: Pick<Model, "coordinates" | "gaussian"> & { readonly noise?: number },
  model: Model,
  k: number,
): Promise<Float64Array> {
  const { observations, rng, engine } = context;
  const { coordinates, gaussian, noise = 1 } = start;
  const own = inCoordinates(observations, coordinates);
  await using predictor = await compilePredictor(own, engine);
  const spread = await priorVariances(predictor, gaussian, rng.split("scale"));
  const hidden = hideSome(observations, rng.split("hide"));
  let answers: Answers[] = [];
  const drawing = { ...context, observations: hidden, rng: rng.split("draws") };
  const times = drawsEach(context.config, observations.count);
  await drawRepeatedly(drawing, model, k, times, async (x, s) => {
    const more = await answersOf(predictor, hidden, fromUser(coordinates, x), rng.split("noise", s));
    answers = more.map((answer, i) => ({
      ...answer,
      predictions: [...(answers[i]?.predictions ?? []), ...answer.predictions],
    }));
  });
  return Float64Array.from(answers, (answer, i) => scoreOf(answer, spread[i]!, noise));
}
