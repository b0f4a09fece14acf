import type { ObservationSet } from "../../data/observations/observation-set.ts";
import type { TrainConfig } from "../config/config.ts";
import type { TimedStart } from "../predict/start.ts";
import { type PredictOptions, type TimedRun, timeRun } from "../predict.ts";
import { allocate, isAmple } from "./allocate.ts";
import { sizesOf } from "./bearable.ts";
import { coarser } from "./coarser.ts";
import { type Rates, secondsOf } from "./duration.ts";

/** Of the time there is, what is planned: reports, checkpoints and a machine that is not idle take the rest. */
const PLANNED = 0.9;
/** Seconds that each part is timed for, at most, and their share of the time there is. */
const TIMED = { seconds: 10, share: 0.02 } as const;

/** A configuration and how long it takes here. */
export interface Plan {
  readonly config: TrainConfig;
  readonly seconds: number;
}

/**
 * A configuration that takes about so many minutes on this machine: a batch of draws and some optimizer steps are timed, and
 * `allocate` chooses, with a coarser network where that leaves each iteration too little to learn from. What is chosen is the
 * run's: its results do not depend on a clock.
 * @param kept paths of fields that stay as they are
 */
export async function planRun(
  observations: ObservationSet,
  config: TrainConfig,
  minutes: number,
  kept: ReadonlySet<string>,
  options: PredictOptions = {},
): Promise<Plan> {
  const began = performance.now();
  const all = 60 * minutes;
  const timing = { budgetSeconds: Math.min(TIMED.seconds, TIMED.share * all), ...options };
  const plan = async (wanted: TrainConfig, start?: TimedStart): Promise<Plan> => {
    const timed = await timeRun(observations, wanted, timing, start);
    const rates = ratesOf(timed);
    const sizes = sizesOf(wanted, observations, options);
    const left = Math.max(PLANNED * all - (performance.now() - began) / 1000, 0);
    const planned = allocate(wanted, sizes, rates, left, kept);
    const faster = isAmple(planned, sizes, rates, left, kept)
      ? undefined
      : coarser(wanted, observations.header.latentShape, kept, options);
    if (faster) return await plan(faster, timed.timedStart);
    return { config: planned, seconds: secondsOf(planned, sizes, rates) / PLANNED };
  };
  return await plan(config);
}

/** How long a run of this configuration takes on this machine, in seconds. */
export async function runSeconds(
  observations: ObservationSet,
  config: TrainConfig,
  options: PredictOptions = {},
): Promise<number> {
  const timed = await timeRun(observations, config, { budgetSeconds: TIMED.seconds, ...options });
  return secondsOf(config, sizesOf(config, observations, options), ratesOf(timed)) / PLANNED;
}

function ratesOf({ timedStart, eStep, mStep }: TimedRun): Rates {
  return {
    start: timedStart.seconds,
    draw: eStep.unitSeconds,
    step: mStep.unitSeconds,
    compile: eStep.compileSeconds,
  };
}
