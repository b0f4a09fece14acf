import { Rng } from "../../core/random.ts";
import { inCoordinates } from "../../data/observations/coordinates.ts";
import type { ObservationSet } from "../../data/observations/observation-set.ts";
import { standardCoordinates } from "../../gaussian/standardize.ts";
import { type FitSize, gaussianFits } from "../../gaussian/start.ts";
import type { Model } from "../../inference/model.ts";
import type { TrainConfig } from "../config/config.ts";
import { resolveSchedule } from "../levels.ts";
import { BUDGET_SECONDS, type PredictedPart, type PredictOptions, peakBytes, secondsSince } from "./part.ts";

/**
 * Observations of the fits that are timed, while there is time for it, their largest rank and steps at each after the first
 * Gaussian: what one takes longer than the one before is its work's, the rest compiling.
 */
const TIMED = { observations: [16, 64, 192], rank: 16, iterations: 2 } as const;
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
 * Times a few steps of the Gaussian start at a small rank, on few observations and then on more; a fit takes longer in proportion to
 * its multiplications. A prior that is given takes no time.
 */
export async function timeStart(
  observations: ObservationSet,
  { start, schedule, seed, em }: TrainConfig,
  { engine = {}, signal, from, onEvent, budgetSeconds = BUDGET_SECONDS }: PredictOptions,
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
    const gaussian = await fits.fit({ ...size, iterations: TIMED.iterations }, new Rng(seed).split("start"), {
      signal,
      onStep: ({ taken, most }) => {
        steps++;
        const stage = `Timing the Gaussian start, ${images} observations`;
        onEvent?.({ stage, iteration: 0, iterations: 0, done: taken, total: most, unit: "steps" });
      },
    });
    return { gaussian, images, steps, work: fits.work(size), seconds: secondsSince(began) };
  };
  const began = performance.now();
  const timed: Awaited<ReturnType<typeof time>>[] = [];
  try {
    for (const most of TIMED.observations) {
      const before = timed.at(-1);
      if (before && (before.images === used || secondsSince(began) > budgetSeconds)) break;
      timed.push(await time(Math.min(most, used)));
    }
  } finally {
    await fits.release();
  }
  const [more, fewer] = timed.toReversed() as [(typeof timed)[0], (typeof timed)[0] | undefined];
  const whole = more.seconds / more.work;
  const each =
    fewer && more.work > fewer.work
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
