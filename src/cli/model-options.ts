import { resolve } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { either, file, oneOf, whole } from "../core/kinds.ts";
import { SAMPLERS, type SamplerName } from "../diffusion/samplers.ts";
import type { EStepConfig } from "../em/config/config.ts";
import { RunFolder } from "../em/run/run-folder.ts";
import type { SamplerChoice } from "../inference/choice.ts";
import type { Model } from "../inference/model.ts";
import type { Arguments, OptionSpec } from "./arguments.ts";

/** Which of a run's priors is used. */
export const ITERATION_OPTION: Readonly<Record<string, OptionSpec>> = {
  iteration: {
    value: "K",
    help: "EM iteration whose prior is used: a number (0 for the start), best (by held-out numbers) or last",
    fallback: "best",
  },
};

/** Options of the commands that sample from a run's prior. */
export const MODEL_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  out: {
    value: "FILE.npy",
    help: "array to write, float32 [N, ...shape] in the data's units",
    isRequired: true,
  },
  seed: {
    value: "N",
    help: "the same seed gives the same samples; another --batch changes only their rounding",
    fallback: "0",
  },
  batch: { value: "N", help: "samples computed together", fallback: "that of the run" },
  steps: { value: "T", help: "sampler steps", fallback: "those of the run" },
  sampler: { value: "NAME", help: Object.keys(SAMPLERS).join(", "), fallback: "that of the run" },
  ...ITERATION_OPTION,
};

/** The run that a command names, and its prior after the iteration asked for. */
export async function openModel(
  args: Arguments,
  path = args.positionals[0]!,
): Promise<{ run: RunFolder; model: Model; iteration: number }> {
  const { run, iteration } = await openIteration(args, path);
  return { run, model: await run.readModel(iteration), iteration };
}

/** The run that a command names, and the iteration asked for. @throws DataError if the run has no prior yet */
export async function openIteration(
  args: Arguments,
  path = args.positionals[0]!,
): Promise<{ run: RunFolder; iteration: number }> {
  const run = await RunFolder.open(resolve(path));
  return { run, iteration: await chosenIteration(args, run, await run.lastPrior()) };
}

async function chosenIteration(args: Arguments, run: RunFolder, last: number): Promise<number> {
  const asked = args.value("iteration", either(whole(0), oneOf(["best", "last"]))) ?? "best";
  if (asked === "best") return await run.bestIteration();
  if (asked === "last") return last;
  if (asked > last) throw new ConfigError(`--iteration: the last complete one is ${last}, got ${asked}.`);
  return asked;
}

/** The output file; its name must end in .npy. */
export function npyOutput(args: Arguments): string {
  return resolve(args.required("out", file(".npy")));
}

export function samplerOption(args: Arguments, fallback: SamplerName): SamplerName {
  return args.value("sampler", oneOf(Object.keys(SAMPLERS) as SamplerName[])) ?? fallback;
}

/** The sampler asked for, or the run's own. The run's options are those of its own sampler; another has its defaults. */
export function samplerChoice(args: Arguments, own: EStepConfig): Omit<SamplerChoice, "batch"> {
  const { eta, corrections, tau } = own;
  const sampler = samplerOption(args, own.sampler);
  return sampler === own.sampler
    ? { sampler, eta, corrections, tau }
    : { sampler, eta: null, corrections, tau };
}
