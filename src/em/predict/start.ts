import { Rng } from "../../core/random.ts";
import { inCoordinates } from "../../data/observations/coordinates.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import { standardCoordinates } from "../../gaussian/standardize.ts";
import { fitGaussian } from "../../gaussian/start.ts";
import type { Model } from "../../inference/model.ts";
import type { TrainConfig } from "../config/config.ts";
import { resolveSchedule } from "../levels.ts";
import { type PredictedPart, type PredictOptions, peakBytes, secondsSince } from "./part.ts";

/** Observations of the two fits that are timed, and steps at each rank: what the larger takes longer is theirs, the rest compiling. */
const TIMED = { fewer: 64, more: 192, iterations: 2 } as const;
/** Steps that a fit takes over all ranks, measured on a dozen problems: 30 to 70. */
const TYPICAL_STEPS = 50;
/** Fits that find the noise too, where it is stated up to 4 times too small or too large: 2 to 4. */
const FITS = 3;

/** What comes before the first E-step, and how long it takes. */
export interface TimedStart extends Pick<Model, "gaussian" | "coordinates" | "schedule"> {
  readonly part: PredictedPart;
}

/** Times a few steps of the Gaussian start on few observations and on more; a prior that is given takes no time. */
export async function timeStart(
  observations: ObservationSet,
  { start, schedule, seed, em }: TrainConfig,
  { engine = {}, signal, from }: PredictOptions,
): Promise<TimedStart> {
  if (from) return { ...from.model, part: noTime() };
  const used = Math.min(start.observations, observations.count);
  const compiling = performance.now();
  const coordinates = await standardCoordinates(observations, engine);
  const compileSeconds = secondsSince(compiling);
  const own = inCoordinates(observations, coordinates);
  const time = async (images: number) => {
    const began = performance.now();
    let steps = 0;
    const gaussian = await fitGaussian(
      own,
      { ...start, observations: images, iterations: TIMED.iterations },
      new Rng(seed).split("start"),
      engine,
      { signal, onStep: () => steps++ },
    );
    return { gaussian, images, steps, seconds: secondsSince(began) };
  };
  const fewer = await time(Math.min(TIMED.fewer, used));
  const more = await time(Math.min(TIMED.more, used));
  const { gaussian, images, steps, seconds: timedSeconds } = more;
  const whole = timedSeconds / images;
  const each =
    images > fewer.images
      ? Math.max((timedSeconds - fewer.seconds) / (images - fewer.images), 0.1 * whole)
      : whole;
  const fits = em.noise === "estimate" ? FITS : 1;
  const seconds = (fits * each * used * TYPICAL_STEPS) / steps;
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
  return { gaussian, coordinates, schedule: resolveSchedule(schedule, gaussian, coordinates), part };
}

function noTime(): PredictedPart {
  return {
    ...{ images: 0, configuredBatch: 1, compileSeconds: 0, timedSeconds: 0, unitSeconds: 0, seconds: 0 },
    timed: "nothing",
    peakBytes: peakBytes(),
  };
}
