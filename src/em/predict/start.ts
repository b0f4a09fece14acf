import { Rng } from "../../core/random.ts";
import { type Coordinates, inCoordinates } from "../../data/coordinates.ts";
import type { Observations } from "../../data/observations.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import { standardCoordinates } from "../../gaussian/standardize.ts";
import { fitGaussian } from "../../gaussian/start.ts";
import type { TrainConfig } from "../config.ts";
import { type PredictedPart, type PredictOptions, peakBytes, secondsSince } from "./part.ts";

/** Observations and steps that are timed. */
const TIMED = { observations: 64, iterations: 2 } as const;
/** Steps that a fit takes over all ranks, measured on a dozen problems: 30 to 70. */
const TYPICAL_STEPS = 50;

/** Times a few steps of the Gaussian start on a few observations. */
export async function timeStart(
  observations: Observations,
  { start, seed }: TrainConfig,
  { engine = {}, signal }: PredictOptions,
): Promise<{ gaussian: Gaussian; coordinates: Coordinates; part: PredictedPart }> {
  const used = Math.min(start.observations, observations.count);
  const images = Math.min(TIMED.observations, used);
  const compiling = performance.now();
  const coordinates = await standardCoordinates(observations, engine);
  const compileSeconds = secondsSince(compiling);
  const began = performance.now();
  let steps = 0;
  const gaussian = await fitGaussian(
    inCoordinates(observations, coordinates),
    { ...start, observations: images, iterations: TIMED.iterations },
    new Rng(seed).split("start"),
    engine,
    { signal, onStep: () => steps++ },
  );
  const timedSeconds = secondsSince(began);
  const seconds = ((timedSeconds / images) * used * TYPICAL_STEPS) / steps;
  const part = {
    images,
    configuredBatch: used,
    compileSeconds,
    timedSeconds,
    timed: `${steps} steps`,
    unitSeconds: seconds,
    seconds,
    peakBytes: peakBytes(),
  };
  return { gaussian, coordinates, part };
}
