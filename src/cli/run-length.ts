import { positive } from "../core/kinds.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import type { TrainConfig } from "../em/config/config.ts";
import type { RunParts } from "../em/given-prior.ts";
import { bearable, countedRates, sizesOf } from "../em/plan/bearable.ts";
import { secondsOf } from "../em/plan/duration.ts";
import { planRun, runSeconds } from "../em/plan/plan.ts";
import type { Arguments, OptionSpec } from "./arguments.ts";
import type { ResolvedConfig } from "./config.ts";
import { duration } from "./progress.ts";
import type { Session } from "./session.ts";

export const LENGTH_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  minutes: {
    value: "N",
    help: "choose iterations, draws and optimizer steps that take about N minutes here; with --resume, go on for about N minutes",
    fallback: "at most half an hour of a laptop",
  },
};

/** Runs that a laptop ends sooner are not timed before they begin. */
const SHORT_SECONDS = 60;
/** Where a plan takes longer than asked for by more than this factor, the least there is takes longer. */
const TOO_LONG = 1.2;

/** @throws ConfigError unless it is a number above 0 */
export function minutesOf(args: Arguments): number | undefined {
  return args.value("minutes", positive);
}

/**
 * The configuration of a new run, as long as --minutes says or as a laptop can bear, and a line that says how long that is.
 */
export async function chooseLength(
  args: Arguments,
  observations: ObservationSet,
  { config, kept }: ResolvedConfig,
  { engine, progress, watch }: Session,
  parts: RunParts = {},
): Promise<TrainConfig> {
  const minutes = minutesOf(args);
  const options = { engine, ...parts, ...watch };
  if (minutes === undefined) {
    const own = bearable(config, observations, kept, parts);
    const counted = countedRates(own, observations);
    const isShort = secondsOf(own, sizesOf(own, observations, parts), counted) < SHORT_SECONDS;
    if (isShort || args.flag("quiet")) return own;
    const seconds = await runSeconds(observations, own, options);
    progress.message(
      `This run takes about ${duration(seconds)} here: ${describe(own)}. --minutes N makes it longer or shorter.`,
    );
    return own;
  }
  const plan = await planRun(observations, config, minutes, kept, options);
  const much = `about ${duration(plan.seconds)} here: ${describe(plan.config)}`;
  progress.message(
    plan.seconds > TOO_LONG * 60 * minutes
      ? `Warning: ${minutes} minutes are too few for this network and these settings; the least takes ${much}. A smaller network is faster.`
      : `This run takes ${much}.`,
  );
  return plan.config;
}

function describe({ em, mStep, network }: TrainConfig): string {
  const patches =
    network.type === "unet" && network.patch > 1
      ? `; the network sees patches of ${network.patch} places a side`
      : "";
  return `${em.iterations} iterations, each of ${em.observations || "all"} draws and ${mStep.steps} optimizer steps (${mStep.finalSteps} in the last)${patches}`;
}
