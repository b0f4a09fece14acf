import { basename, resolve } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { readFileOrFail } from "../core/files.ts";
import { either, file, interval, list, oneOf, text } from "../core/kinds.ts";
import type { Shape } from "../core/shape.ts";
import { readNpy } from "../data/arrays/npy.ts";
import { ALPHA_BARS, PARAMETERIZATIONS } from "../diffusion/parameterization.ts";
import { defaultConfig, type EStepConfig, mergeConfig } from "../em/config/config.ts";
import type { RunFolder } from "../em/run/run-folder.ts";
import type { Model } from "../inference/model.ts";
import { type OnnxPriorOptions, onnxPrior } from "../inference/onnx-prior.ts";
import type { Arguments, OptionSpec } from "./arguments.ts";
import { openModel } from "./model-options.ts";

/** Options that say of a denoiser in a file what the file does not. */
export const DENOISER_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  parameterization: { value: "NAME", help: `what it predicts: ${PARAMETERIZATIONS.join(", ")}` },
  "alpha-bar": {
    value: "NAME",
    help: `if it belongs to a variance-preserving process, the schedule of that: ${Object.keys(ALPHA_BARS).join(", ")}, or a .npy file`,
    fallback: "none, it sees x + sigma z",
  },
  inputs: { value: "X,TIME", help: "names of its inputs", fallback: "found by names and axes" },
  levels: { value: "LO,HI", help: "its smallest and largest noise level", fallback: "those of alpha-bar" },
  range: { value: "LO,HI", help: "limits of clean data, inside which means are kept", fallback: "none" },
};

/** Options of commands that take a denoiser of any origin in place of a run's. */
export const PRIOR_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  prior: {
    value: "FILE.onnx",
    help: "in place of RUN: a denoiser that diem exported, or any other; the next options describe that",
  },
  ...DENOISER_OPTIONS,
};

/** The prior that a command was given. */
export interface ChosenPrior {
  readonly model: Model;
  /** How it draws, and the steps of samples of the prior, unless the command's options say otherwise. */
  readonly eStep: EStepConfig;
  readonly priorSteps: number;
  /** A run's name, or the file's. */
  readonly name: string;
  /** What messages call it. */
  readonly label: string;
  /** Of a run. */
  readonly run?: RunFolder;
  readonly iteration?: number;
}

/** What is known of the data that a prior shall be for. */
interface DataAtHand {
  readonly latentShape?: Shape | undefined;
  readonly count: number;
}

/** @param run the path of a run; undefined for the file of --prior @throws ConfigError unless there is one of the two */
export function requirePrior(args: Arguments, run: string | undefined): void {
  const isGiven = args.text("prior") !== undefined;
  if ((run !== undefined) === isGiven)
    throw new ConfigError(
      `expected a run or --prior FILE.onnx, got ${isGiven ? "both" : "none"}. Give one of them.`,
    );
}

/** The prior of a run, or that in the file of --prior. @throws ConfigError as `requirePrior` */
export async function openPrior(
  args: Arguments,
  run: string | undefined,
  data: DataAtHand,
): Promise<ChosenPrior> {
  requirePrior(args, run);
  const path = args.text("prior");
  if (path !== undefined) return await openFile(args, resolve(path), data);
  refuseDenoiserOptions(args, "with --prior alone");
  const { run: folder, model, iteration } = await openModel(args, run);
  const { config, name } = folder.info;
  const label = `iteration ${iteration}`;
  return {
    ...{ run: folder, model, iteration, name, label },
    eStep: config.eStep,
    priorSteps: config.figures.priorSteps,
  };
}

/** @param where they may stand @throws ConfigError if one is given */
export function refuseDenoiserOptions(args: Arguments, where: string): void {
  const own = Object.keys(DENOISER_OPTIONS).find((name) => args.text(name) !== undefined);
  if (own !== undefined)
    throw new ConfigError(`--${own}: expected ${where}, for a run says it itself. Leave it out.`);
}

/** What the options say of a denoiser in a file. */
export async function denoiserOptions(args: Arguments): Promise<OnnxPriorOptions> {
  const [x, time] = args.value("inputs", list(text, "names")) ?? [];
  return {
    parameterization: args.value("parameterization", oneOf(PARAMETERIZATIONS)),
    alphaBar: await alphaBarOption(args),
    inputs: { x, time },
    levels: args.value("levels", interval),
    range: args.value("range", interval),
  };
}

async function openFile(
  args: Arguments,
  path: string,
  { latentShape, count }: DataAtHand,
): Promise<ChosenPrior> {
  const { model, description } = onnxPrior(await readFileOrFail(path, "a denoiser in an ONNX file"), path, {
    ...(await denoiserOptions(args)),
    latentShape,
  });
  const defaults = defaultConfig(model.network.shape, count);
  const own = description
    ? { eStep: description.eStep, figures: { priorSteps: description.priorSteps } }
    : {};
  const { eStep, figures } = mergeConfig(defaults, own, path);
  const label = basename(path);
  return { model, eStep, priorSteps: figures.priorSteps, name: label, label };
}

async function alphaBarOption(args: Arguments) {
  const given = args.value("alpha-bar", either(oneOf(Object.keys(ALPHA_BARS)), file(".npy")));
  if (given === undefined) return undefined;
  return Object.hasOwn(ALPHA_BARS, given) ? ALPHA_BARS[given]!() : await readNpy(resolve(given));
}
