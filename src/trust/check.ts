import type { Watch } from "../core/events.ts";
import type { Rng } from "../core/random.ts";
import { inCoordinates } from "../data/observations/coordinates.ts";
import { kindsOf, type ObservationSet } from "../data/observations/observation-set.ts";
import { someObservations } from "../data/observations/split-observations.ts";
import type { Model } from "../inference/model.ts";
import type { DrawChoice } from "../inference/posterior.ts";
import { operatorLabel } from "../operators/spec.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { featuresOf } from "./features.ts";
import { scoreOf } from "./held-out/answers.ts";
import { compilePredictor } from "./held-out/predictor.ts";
import { priorVariances } from "./held-out/scale.ts";
import { informationOf } from "./information.ts";
import { type Trial, type TrialOptions, trialOf, tryObservations } from "./trial.ts";
import { inMemory, makeTwins } from "./twins.ts";
import { type Verdict, worstOf } from "./verdict.ts";
import { calibration } from "./verdicts/calibration.ts";
import { identifiability } from "./verdicts/identifiability.ts";
import { noise } from "./verdicts/noise.ts";
import { operator } from "./verdicts/operator.ts";
import { overfitting, type Predicted } from "./verdicts/overfitting.ts";
import { prior } from "./verdicts/prior.ts";
import { sampler } from "./verdicts/sampler.ts";
import { shift } from "./verdicts/shift.ts";

/** What a check looks at. */
export interface CheckedPrior {
  readonly model: Model;
  /** How posterior draws are made. */
  readonly choice: DrawChoice;
  /** What is judged: observations that the prior was not learned from, of the same kind. */
  readonly observations: ObservationSet;
  /** All that the prior was learned from: their operators decide what could be learned. */
  readonly learned: ObservationSet;
  /** Some that it was trained on, if those judged were not. */
  readonly trained?: ObservationSet | undefined;
  /** Observations that the prior was not learned from but that are like those, if those judged may be others. */
  readonly like?: ObservationSet | undefined;
}

/** How closely. */
export interface CheckSizes {
  /** Observations drawn for, and draws for each of them and of their twins. One more is best a multiple of 20. */
  readonly observations: number;
  readonly draws: number;
}

export interface CheckOptions extends Watch {
  readonly sizes: CheckSizes;
  readonly rng: Rng;
  readonly engine: EngineOptions;
}

/** Observations for which the Gaussian start is asked, which costs no draws. */
const FEATURES = 128;

/** The verdicts on a prior and its sampler that follow from measurements alone; those on its training are a run's. */
export async function checkPrior(
  { model, choice, observations, learned, trained, like }: CheckedPrior,
  { sizes, rng, engine, ...watch }: CheckOptions,
): Promise<Verdict[]> {
  const drawn = await inMemory(someObservations(observations, sizes.observations));
  const twins = await makeTwins(model, drawn, choice.batch, rng.split("twins"), { ...watch, engine });
  const options = { ...watch, model, choice, engine, draws: sizes.draws };
  const streams = { drawn: rng.split("trial"), trained: rng.split("trained", "trial") };
  const trial = await tryObservations(drawn, options, streams.drawn, "Observations");
  const twinTrial = await tryObservations(
    twins.observations,
    options,
    streams.drawn,
    "Simulated observations",
    twins.latents,
  );
  const { method = "mmps", covariance, steps, cgSteps } = choice;
  const settings = { method: typeof method === "string" ? method : method.name, covariance, steps, cgSteps };
  const [own, simulated] = [
    await featuresOf(model, drawn, engine),
    await featuresOf(model, twins.observations, engine),
  ];
  const information = await informationOf(model, learned, rng.split("information"), engine);
  return [
    calibration(trial.answers, twinTrial.answers, rng.split("calibration")),
    byKind(noise, trial, twinTrial, drawn),
    byKind(operator, trial, twinTrial, drawn),
    sampler(twinTrial, settings, rng.split("sampler")),
    prior(own, simulated, rng.split("prior")),
    identifiability(information),
    ...(trained ? [await overfittingOf(trial, drawn, trained, options, streams)] : []),
    ...(like ? [await shiftOf(model, observations, like, rng.split("shift"), engine)] : []),
  ];
}

/** A verdict on each kind of observations, since each has its operator and its noise: the worst is that on all. */
function byKind(
  verdict: (trial: Trial, twins: Trial, questions: number) => Verdict,
  trial: Trial,
  twins: Trial,
  observations: ObservationSet,
): Verdict {
  const kinds = kindsOf(observations);
  const each = kinds.map(({ numbers, observations: { header } }) => ({
    of: operatorLabel(header.operator),
    verdict: verdict(trialOf(trial, numbers), trialOf(twins, numbers), kinds.length),
  }));
  return worstOf(each);
}

/** Compares the predictions of observations with those of as many that were trained on. @param streams of their trials */
async function overfittingOf(
  trial: Trial,
  drawn: ObservationSet,
  trained: ObservationSet,
  options: TrialOptions,
  streams: { readonly drawn: Rng; readonly trained: Rng },
): Promise<Verdict> {
  const some = await inMemory(someObservations(trained, drawn.count));
  const seen = await tryObservations(some, options, streams.trained, "Training observations");
  return overfitting(
    await predictedOf(drawn, trial, options, streams.drawn),
    await predictedOf(some, seen, options, streams.trained),
  );
}

/** How well hidden numbers are predicted, and how well the Gaussian start predicts the same ones. @param rng of the trial */
async function predictedOf(
  observations: ObservationSet,
  trial: Trial,
  { model, ...options }: TrialOptions,
  rng: Rng,
): Promise<Predicted[]> {
  const { coordinates, gaussian } = model;
  const start = { ...model, parameters: undefined, denoiser: undefined };
  const plain = await tryObservations(observations, { ...options, model: start }, rng, "Gaussian start");
  await using predictor = await compilePredictor(inCoordinates(observations, coordinates), options.engine);
  const spread = await priorVariances(predictor, gaussian, rng.split("scale"));
  return trial.answers.map((answer, i) => ({
    score: scoreOf(answer, spread[i]!),
    start: scoreOf(plain.answers[i]!, spread[i]!),
  }));
}

async function shiftOf(
  model: Model,
  observations: ObservationSet,
  like: ObservationSet,
  rng: Rng,
  engine: EngineOptions,
): Promise<Verdict> {
  const some = async (set: ObservationSet) =>
    await featuresOf(model, await inMemory(someObservations(set, FEATURES)), engine);
  return shift(await some(observations), await some(like), rng);
}
