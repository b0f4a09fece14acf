import { join, resolve } from "node:path";
import { check, whole } from "../core/kinds.ts";
import { mostEntries, type ObservationSet } from "../data/observations/observation-set.ts";
import { defaultConfig, mergeConfig, type TrainConfig } from "../em/config/config.ts";
import type { TrainOptions } from "../em/context.ts";
import { givenDenoiser } from "../em/given-denoiser.ts";
import { checkSameFrom, configFrom, type GivenPrior, givenPrior } from "../em/given-prior.ts";
import type { OwnParts } from "../em/own-parts.ts";
import { bearable } from "../em/plan/bearable.ts";
import { planRun } from "../em/plan/plan.ts";
import { RunFolder } from "../em/run/run-folder.ts";
import { train as learn } from "../em/train.ts";
import type { OnnxPriorOptions } from "../inference/onnx-prior.ts";
import { writeReport } from "../report/report.ts";
import { type LearnedRun, openRun } from "./run.ts";

/** The fields of a configuration to change; the others keep their values. */
export type ConfigChanges = { readonly [Section in keyof TrainConfig]?: Partial<TrainConfig[Section]> };

/** Options of `train`. */
export interface LearnOptions extends Omit<TrainOptions, "from" | "denoiser"> {
  /**
   * Folder of a run whose prior the new run begins with, network and all; or the file (.onnx) of a denoiser that the first E-step
   * draws with. Default: a Gaussian fitted to the observations.
   */
  readonly from?: string | undefined;
  /** What the file of a denoiser does not say itself. */
  readonly denoiser?: OnnxPriorOptions | undefined;
  /** Which of its priors; 0 is its start. Default: its result. */
  readonly fromIteration?: number | undefined;
  /** Fields that differ from the defaults of `diem train`. With `resume` the run keeps its own, but for more `em.iterations`. */
  readonly config?: ConfigChanges | undefined;
  /** Minutes that the run may take. diem then chooses iterations, draws and steps to fit. Default: by the size of the problem. */
  readonly minutes?: number | undefined;
}

/**
 * Learns a prior from observations by expectation maximization [Rozet24, algorithm 1], with the defaults of `diem train`. The
 * folder `out` keeps everything, also a report.
 * @throws DataError, ConfigError, NumericalError, AbortedError
 */
export async function train(
  observations: ObservationSet,
  { config = {}, minutes, from: path, fromIteration, denoiser, ...others }: LearnOptions,
): Promise<LearnedRun> {
  const { out, resume, onIteration } = others;
  const given = path === undefined ? undefined : resolve(path);
  const parts =
    resume || given === undefined
      ? {}
      : given.endsWith(".onnx")
        ? { denoiser: await givenDenoiser(given, denoiser ?? {}, observations.header.latentShape) }
        : { from: await openPrior(given, fromIteration, observations, others) };
  const options = { ...others, ...parts };
  const chosen = resume
    ? await continued(await RunFolder.open(out, others), config, given)
    : await chooseConfig(observations, config, minutes, options);
  await learn(observations, chosen, {
    ...options,
    onIteration: async (iteration, metrics) => {
      await writeReport([out], join(out, "report.html"));
      await onIteration?.(iteration, metrics);
    },
  });
  await writeReport([out], join(out, "report.html"));
  return await openRun(out, options);
}

/** The prior of another run; of parts that are code, it has a network. */
async function openPrior(
  path: string,
  iteration: number | undefined,
  { header }: ObservationSet,
  { network }: OwnParts,
): Promise<GivenPrior> {
  const run = await RunFolder.open(path, { network }, ["network"]);
  const last = await run.lastPrior();
  const chosen =
    iteration === undefined ? await run.bestIteration() : check(whole(0, last), iteration, "fromIteration");
  return await givenPrior(run, chosen, header.latentShape);
}

async function continued(
  run: RunFolder,
  changes: ConfigChanges,
  from: string | undefined,
): Promise<TrainConfig> {
  checkSameFrom(run, from);
  return mergeConfig(run.info.config, changes);
}

async function chooseConfig(
  observations: ObservationSet,
  changes: ConfigChanges,
  minutes: number | undefined,
  { engine = {}, signal, ...own }: TrainOptions,
): Promise<TrainConfig> {
  const { header, count } = observations;
  const defaults = defaultConfig(header.latentShape, count, mostEntries(observations));
  const config = mergeConfig(own.from ? configFrom(own.from, defaults) : defaults, changes);
  const kept = new Set(pathsOf(changes));
  if (minutes === undefined) return bearable(config, observations, kept, own);
  return (await planRun(observations, config, minutes, kept, { ...own, engine, signal })).config;
}

/** The fields that changes name, such as "em.iterations". */
function pathsOf(changes: ConfigChanges): string[] {
  return Object.entries(changes).flatMap(([section, fields]) =>
    typeof fields === "object" && fields !== null
      ? Object.keys(fields).map((field) => `${section}.${field}`)
      : [section],
  );
}
