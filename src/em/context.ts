import type { HostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import type { Watch } from "../core/events.ts";
import { Rng } from "../core/random.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import { someObservations, splitObservations } from "../data/observations/split-observations.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { TrainConfig } from "./config/config.ts";
import { heldOutCount } from "./course.ts";
import type { RunParts } from "./given-prior.ts";
import { scoredCount } from "./held-out/score.ts";
import type { RunFolder } from "./run/run-folder.ts";

/** Where a run is kept, and how it is told about and stopped. */
export interface TrainOptions extends Watch, RunParts {
  /** Folder of the run. */
  readonly out: string;
  /** Continue the run in `out` where it was stopped. */
  readonly resume?: boolean | undefined;
  /** Stop after this iteration (0 is the start), to go on with `resume`. */
  readonly until?: number | undefined;
  /** Go on even if the first iteration has a fault that would stop the run (`em/vitals/stop.ts`). */
  readonly force?: boolean | undefined;
  /** Title of the run in reports. */
  readonly name?: string | undefined;
  /** Sentences for the report. */
  readonly notes?: readonly string[] | undefined;
  /** Clean latents of the first observations, [g, ...latent]. Reports show them; nothing else uses them. */
  readonly truth?: HostArray<"float32"> | undefined;
  /**
   * Called when the start (0) or an iteration is complete on disk, for example to write the report. A resumed run repeats the
   * last call, because a kill may have cut it short.
   */
  readonly onIteration?:
    | ((iteration: number, metrics: Readonly<Record<string, number>>) => Promise<void>)
    | undefined;
  /** Computes figures of samples, such as distances to a reference that only the caller has. Training does not use them. */
  readonly evaluate?: Evaluate | undefined;
  readonly engine?: EngineOptions | undefined;
  /**
   * Seconds of work between checkpoints inside a step; a kill costs at most as much. 0 writes one at every opportunity. Results
   * do not depend on it. Default 20.
   */
  readonly checkpointSeconds?: number | undefined;
}

/** Figures by name from prior or posterior samples [n, ...latent]. */
export type Evaluate = (
  kind: "prior" | "posterior",
  samples: HostArray<"float32">,
) => Promise<Record<string, number>>;

/** What the steps of a run share. */
export interface Context {
  readonly run: RunFolder;
  /** What is trained on: all but those held out. */
  readonly observations: ObservationSet;
  /** The whole set, whose first ones reports show. */
  readonly all: ObservationSet;
  /** Those that are scored after each iteration, if any are held out. */
  readonly heldOut?: ObservationSet | undefined;
  /** The same sets with the noise that they state, where theirs is another (`withNoise`). */
  readonly stated?: Pick<Context, "observations" | "all" | "heldOut"> | undefined;
  readonly config: TrainConfig;
  readonly rng: Rng;
  readonly engine: EngineOptions;
  readonly options: TrainOptions;
}

/** What a run's steps share, for observations that it began with. */
export function contextOf(run: RunFolder, observations: ObservationSet, options: TrainOptions): Context {
  const { config } = run.info;
  const { training, heldOut } = splitObservations(observations, heldOutCount(config, observations.count));
  return {
    run,
    observations: training,
    all: observations,
    heldOut: heldOut && someObservations(heldOut, scoredCount(config, training.count, heldOut.count)),
    config,
    rng: new Rng(config.seed),
    engine: options.engine ?? {},
    options,
  };
}

/** @throws DataError unless the observations are those that the run began with */
export async function expectOwn({ info }: RunFolder, observations: ObservationSet): Promise<void> {
  if (info.observations.checksum !== (await observations.checksum()))
    throw new DataError(
      `${info.observations.path}: expected the observations that the run began with, found others. Restore them, or start a new run.`,
    );
}
