import type { HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { sizeOf } from "../../core/shape.ts";
import { type ObservationSet, partsOf } from "../../data/observations/observation-set.ts";
import { fairCrps } from "../../metrics/crps.ts";
import { drawHiddenNoise, type NoiseQuestion, noiseVarianceOf } from "./noise.ts";
import type { Predictor } from "./predictor.ts";
import { hiddenAndShown } from "./split.ts";

/** The hidden entries of an observation, what was measured there, the noise's variance, and predictions of them. */
export interface Answers {
  readonly entries: readonly number[];
  readonly measured: readonly number[];
  readonly noise: readonly number[];
  /** One list for each draw. */
  readonly predictions: (readonly number[])[];
}

/**
 * Predictions of every observation's hidden entries, A_2 x + n_2 with n_2 drawn given the noise of the others.
 * @param hidden `hideSome` of the predictor's observations
 * @param x one latent for each, in the predictor's coordinates
 * @param rng observation i has the stream below it that is named i
 * @returns for each observation, with one prediction
 */
export async function answersOf(
  predictor: Predictor,
  hidden: ObservationSet,
  x: HostArray<"float32">,
  rng: Rng,
): Promise<Answers[]> {
  const answers: Answers[] = [];
  const parts = partsOf(hidden);
  for await (const { kind, of, range, numbers, batch, predicted, measured } of predictor.predict(x)) {
    const shown = await parts[kind]!.observations.read(...range);
    const { noiseVariance, observationShape } = of.header;
    const M = sizeOf(observationShape);
    for (const [i, number] of numbers.entries()) {
      const entries = hiddenAndShown(of, batch, shown, i);
      const value = (array: HostArray<"float32">, entry: number) => array.data[i * M + entry]!;
      const question: NoiseQuestion = {
        ...entries,
        variance: (entry) => (noiseVariance === "array" ? value(batch.noiseVariance!, entry) : noiseVariance),
        patterns: of.noiseFactor,
      };
      const known = () =>
        Float64Array.from(entries.shown, (entry) => value(measured, entry) - value(predicted, entry));
      const noise = drawHiddenNoise(question, known, rng.split(number));
      answers[number] = {
        entries: entries.hidden,
        measured: entries.hidden.map((entry) => value(measured, entry)),
        noise: entries.hidden.map((entry) => noiseVarianceOf(question, entry)),
        predictions: [entries.hidden.map((entry, at) => value(predicted, entry) + noise[at]!)],
      };
    }
  }
  return answers;
}

/**
 * The mean over an observation's hidden entries of their fair CRPS, each over its standard deviation.
 * @param spread variances of its entries without the noise's, [M]
 * @param share of the noise's variance that is counted beside it
 */
export function scoreOf(
  { entries, measured, noise, predictions }: Answers,
  spread: Float64Array,
  share = 1,
): number {
  const scores = entries.map((entry, at) => {
    const draws = predictions.map((own) => own[at]!);
    return fairCrps(draws, measured[at]!) / Math.sqrt(spread[entry]! + share * noise[at]!);
  });
  return scores.reduce((sum, value) => sum + value, 0) / scores.length;
}
