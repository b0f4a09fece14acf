import type { ObservationSet } from "../../data/observations/observation-set.ts";
import type { TrainConfig } from "../config/config.ts";
import { type PredictOptions, predictRun } from "../predict.ts";
import { allocate } from "./allocate.ts";
import { sizesOf } from "./bearable.ts";
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
 * `allocate` chooses. The numbers, once chosen, are the run's: its results do not depend on a clock.
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
  const rates = await measureRates(observations, config, {
    budgetSeconds: Math.min(TIMED.seconds, TIMED.share * all),
    ...options,
  });
  const sizes = sizesOf(config, observations, options);
  const left = PLANNED * all - (performance.now() - began) / 1000;
  const planned = allocate(config, sizes, rates, Math.max(left, 0), kept);
  return { config: planned, seconds: secondsOf(planned, sizes, rates) / PLANNED };
}

/** How long a run of this configuration takes on this machine, in seconds. */
export async function runSeconds(
  observations: ObservationSet,
  config: TrainConfig,
  options: PredictOptions = {},
): Promise<number> {
  const rates = await measureRates(observations, config, { budgetSeconds: TIMED.seconds, ...options });
  return secondsOf(config, sizesOf(config, observations, options), rates) / PLANNED;
}

async function measureRates(
  observations: ObservationSet,
  config: TrainConfig,
  options: PredictOptions,
): Promise<Rates> {
  const { start, eStep, mStep } = await predictRun(observations, config, options);
  return {
    start: start.seconds / start.configuredBatch,
    draw: eStep.unitSeconds,
    step: mStep.unitSeconds,
    compile: eStep.compileSeconds,
  };
}
