import { Rng } from "../../core/random.ts";
import { inCoordinates } from "../../data/observations/coordinates.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import { standardCoordinates } from "../../gaussian/standardize.ts";
import { type FitSize, gaussianFits } from "../../gaussian/start.ts";
import type { Model } from "../../inference/model.ts";
import type { TrainConfig } from "../config/config.ts";
import { resolveSchedule } from "../levels.ts";
import { type PredictedPart, type PredictOptions, peakBytes, secondsSince } from "./part.ts";

/** Observations of the two fits that are timed, their largest rank and steps at each after the first Gaussian: what the larger takes longer is its work's, the rest compiling. */
const TIMED = { fewer: 64, more: 192, rank: 16, iterations: 2 } as const;
/** Steps at each rank, on average over a dozen problems: 30 to 70 in all, over some six ranks. */
const STEPS = 9;
/** Fits that find the noise too, where it is stated up to 4 times too small or too large: 2 to 4. */
const FITS = 3;

/** What comes before the first E-step, and how long it takes. */
export interface TimedStart extends Pick<Model, "gaussian" | "coordinates" | "schedule"> {
  readonly part: PredictedPart;
  /** Seconds of a fit of some size. */
  readonly seconds: (size: FitSize) => number;
}

/**
 * Times a few steps of the Gaussian start at a small rank, on few observations and on more; a fit takes longer in proportion to its
 * multiplications. A prior that is given takes no time.
 */
export async function timeStart(
  observations: ObservationSet,
  { start, schedule, seed, em }: TrainConfig,
  { engine = {}, signal, from }: PredictOptions,
): Promise<TimedStart> {
  if (from) return { ...from.model, part: noTime(), seconds: () => 0 };
  const used = Math.min(start.observations, observations.count);
  const compiling = performance.now();
  const coordinates = await standardCoordinates(observations, engine);
  const compileSeconds = secondsSince(compiling);
  const own = inCoordinates(observations, coordinates);
  const fits = await gaussianFits(own, engine);
  const time = async (images: number) => {
    const size = { rank: Math.min(TIMED.rank, start.rank), observations: images };
    const began = performance.now();
    let steps = 0;
    const gaussian = await fits.fit(
      { ...size, iterations: TIMED.iterations },
      new Rng(seed).split("start"),
      { signal, onStep: () => steps++ },
    );
    return { gaussian, images, steps, work: fits.work(size), seconds: secondsSince(began) };
  };
  const [fewer, more] = await (async () => {
    try {
      return [await time(Math.min(TIMED.fewer, used)), await time(Math.min(TIMED.more, used))];
    } finally {
      await fits.release();
    }
  })();
  const whole = more.seconds / more.work;
  const each =
    more.work > fewer.work
      ? Math.max((more.seconds - fewer.seconds) / (more.work - fewer.work), 0.1 * whole)
      : whole;
  const times = em.noise === "estimate" ? FITS : 1;
  const seconds = (size: FitSize) => (times * STEPS * each * fits.work(size)) / (TIMED.iterations + 1);
  const part = {
    images: more.images,
    configuredBatch: used,
    compileSeconds,
    timedSeconds: more.seconds,
    timed: `${more.steps} steps`,
    unitSeconds: seconds(start),
    seconds: seconds(start),
    peakBytes: peakBytes(),
  };
  const { gaussian } = more;
  return { gaussian, coordinates, schedule: resolveSchedule(schedule, gaussian, coordinates), part, seconds };
}

function noTime(): PredictedPart {
  return {
    ...{ images: 0, configuredBatch: 1, compileSeconds: 0, timedSeconds: 0, unitSeconds: 0, seconds: 0 },
    timed: "nothing",
    peakBytes: peakBytes(),
  };
}
