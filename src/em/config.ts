import { ConfigError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { SAMPLERS, type SamplerName } from "../diffusion/samplers.ts";
import { checkSchedule, type Schedule } from "../diffusion/schedule.ts";
import { MLP_DEFAULTS, type MlpConfig, mlp } from "../nn/mlp.ts";
import type { Network } from "../nn/network.ts";
import { type UnetConfig, unet } from "../nn/unet.ts";
import { BASES, type BaseName } from "./model.ts";
import { COVARIANCES, type CovarianceName } from "./posterior.ts";

/** Everything that decides what a run computes. It is kept, resolved, in the run folder. */
export interface TrainConfig {
  /** All randomness follows from this and the observations. */
  readonly seed: number;
  readonly network: NetworkConfig;
  /** Noise levels, in the data's units. */
  readonly schedule: ScheduleConfig;
  readonly start: StartConfig;
  readonly em: EmConfig;
  readonly eStep: EStepConfig;
  readonly mStep: MStepConfig;
  readonly figures: FiguresConfig;
}

export type NetworkConfig = MlpNetworkConfig | UnetNetworkConfig;

interface BaseConfig {
  /** What the network corrects: "gaussian", the start's denoiser, or "normal", that of N(0, I) as in the paper. */
  readonly base: BaseName;
}
/** The latents' shape gives the rest. */
interface MlpNetworkConfig extends BaseConfig, Omit<MlpConfig, "features"> {
  readonly type: "mlp";
}
interface UnetNetworkConfig extends BaseConfig, Omit<UnetConfig, "shape"> {
  readonly type: "unet";
}

/** How the levels between the smallest and the largest are spaced. */
export const SPACINGS = ["geometric", "vp", "cosine", "edm"] as const;
/** Methods that turn a prior's denoiser into a posterior's. */
export const METHODS = ["mmps", "dps", "pigdm", "tmpd", "diffpir"] as const;
/** Solvers of the linear system in MMPS. */
export const SOLVERS = ["cg", "gmres"] as const;
/** Random changes of training images that leave a likely image likely. */
export const AUGMENTATIONS = ["flip", "shift"] as const;

export interface ScheduleConfig extends Schedule {
  readonly spacing: (typeof SPACINGS)[number];
}

/** The Gaussian that EM starts from. */
export interface StartConfig {
  /** Rank of the covariance's factor. */
  readonly rank: number;
  /** EM iterations of the fit. */
  readonly iterations: number;
  /** Observations used for the fit, at most. */
  readonly observations: number;
}

export interface EmConfig {
  readonly iterations: number;
  /** Observations drawn for in each iteration: the next ones in order. 0 means all, as in the paper. */
  readonly observations: number;
  /** Observations drawn for in the last iteration, whose M-step is longer. 0 means all. */
  readonly finalObservations: number;
  /** Iterations whose draws the M-step trains on, the newest included; 1 in the paper. */
  readonly buffer: number;
  /** Whether Adam's state and the learning rate's course go on over the iterations, or start anew (the paper). */
  readonly carryOptimizer: boolean;
}

export interface EStepConfig {
  readonly sampler: SamplerName;
  /** Sampler steps T. */
  readonly steps: number;
  /** Share of noise in a DDIM step: 0 deterministic, 1 as much as DDPM. */
  readonly eta: number;
  /** Langevin corrections after each step of the sampler "pc". */
  readonly corrections: number;
  /** Size of such a correction. */
  readonly tau: number;
  readonly method: (typeof METHODS)[number];
  /** Solver of the linear system of "mmps". */
  readonly solver: (typeof SOLVERS)[number];
  /** The solver stops where the residual is this share of the right-hand side; 0 takes all steps. */
  readonly tolerance: number;
  /** Covariance V[x | x_t]. */
  readonly covariance: CovarianceName;
  /** Conjugate-gradient steps. */
  readonly cgSteps: number;
  /** Observations drawn for together. */
  readonly batch: number;
  /** Whether draws are limited to the data's range, where the observations state one. */
  readonly clip: boolean;
}

export interface MStepConfig {
  /** Optimizer steps of an iteration. */
  readonly steps: number;
  /** Optimizer steps of the last iteration. */
  readonly finalSteps: number;
  readonly batch: number;
  /** Learning rate at the first step, at the last step before the final iteration, and at the very last step. */
  readonly learningRate: readonly [number, number, number];
  /** Decay of the weights' moving average; the average is what samples. */
  readonly emaDecay: number;
  /** Largest norm of a gradient. */
  readonly clipNorm: number;
  /** Random changes of the draws that training sees. */
  readonly augment: readonly (typeof AUGMENTATIONS)[number][];
  /** Training times are t ~ Beta(a, b). */
  readonly timeBeta: readonly [number, number];
}

/** What is drawn only to be looked at. */
export interface FiguresConfig {
  /** First observations that are shown with their posterior samples. */
  readonly gallery: number;
  /** Prior samples shown. */
  readonly prior: number;
  /** Sampler steps of prior samples. */
  readonly priorSteps: number;
  /** Figures that need many samples are computed every so many iterations, and at the start and the end. */
  readonly every: number;
  /** Prior samples behind the figures of an iteration; posterior samples behind those of the start and the end too. */
  readonly samples: number;
  /** Prior samples behind the figures of the start and the end. */
  readonly finalSamples: number;
}

/** Defaults for a data set. U-Nets for images whose sides allow it, MLPs for everything else. */
export function defaultConfig(latentShape: Shape, count: number): TrainConfig {
  const network = defaultNetwork(latentShape);
  const N = sizeOf(latentShape);
  const incremental = Math.min(count, Math.max(512, Math.ceil(count / 8)));
  return {
    seed: 0,
    network,
    schedule: { sigmaMin: 1e-2, sigmaMax: 30, spacing: "geometric" },
    start: { rank: Math.min(40, N - 1), iterations: 40, observations: 4096 },
    em: {
      iterations: 16,
      observations: incremental,
      finalObservations: 2 * incremental,
      buffer: 2,
      carryOptimizer: true,
    },
    eStep: {
      sampler: "ddpm",
      steps: 20,
      eta: 1,
      corrections: 1,
      tau: 0.1,
      method: "mmps",
      covariance: "tweedie",
      solver: "cg",
      cgSteps: 1,
      tolerance: 0,
      batch: 64,
      clip: true,
    },
    mStep: {
      steps: 500,
      finalSteps: 1500,
      batch: 32,
      learningRate: [3e-3, 1e-3, 1e-4],
      emaDecay: 0.98,
      clipNorm: 1,
      augment: [],
      timeBeta: [3, 3],
    },
    figures: { gallery: 12, prior: 40, priorSteps: 32, every: 4, samples: 1000, finalSamples: 2000 },
  };
}

function defaultNetwork(shape: Shape): NetworkConfig {
  const [, H, W] = shape;
  if (shape.length !== 3 || H! % 4 !== 0 || W! % 4 !== 0)
    return { type: "mlp", base: "gaussian", ...MLP_DEFAULTS };
  return {
    type: "unet",
    base: "gaussian",
    channels: [32, 64],
    blocks: [2, 2],
    heads: [0, 0],
    embedding: 64,
    patch: 2,
    dropout: 0,
  };
}

/** The network of a configuration. @throws ConfigError if it does not fit the latents */
export function buildNetwork(config: NetworkConfig, latentShape: Shape): Network {
  if (config.type === "unet") return unet({ ...config, shape: latentShape });
  const flat = mlp({ ...config, features: sizeOf(latentShape) });
  if (latentShape.length !== 1)
    throw new ConfigError(
      `network: the MLP takes vectors, got latents ${formatShape(latentShape)}. Use "unet", or store the latents as vectors.`,
    );
  return flat;
}

/** Fields whose value may have another shape than the default's. */
type Json = unknown;

/**
 * Lays changes over a configuration.
 * @param changes nested objects with the fields to replace
 * @throws ConfigError for a field that does not exist (naming the nearest) or has another type
 */
export function mergeConfig(base: TrainConfig, changes: Json, where = "configuration"): TrainConfig {
  const merged = merge(base as unknown as Record<string, Json>, changes, where, "") as unknown as TrainConfig;
  checkConfig(merged, where);
  return merged;
}

function merge(base: Record<string, Json>, changes: Json, where: string, path: string): Record<string, Json> {
  if (typeof changes !== "object" || changes === null || Array.isArray(changes))
    throw new ConfigError(
      `${where}: ${path || "the whole"} must be an object, got ${JSON.stringify(changes)}.`,
    );
  const result = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const name = path ? `${path}.${key}` : key;
    if (name === "network") {
      result[key] = mergeNetwork(base[key] as NetworkConfig, value, where);
      continue;
    }
    const old = base[key];
    if (old === undefined)
      throw new ConfigError(
        `${where}: ${name} is no field of the configuration.${didYouMean(key, Object.keys(base))}`,
      );
    result[key] = isObject(old) ? merge(old, value, where, name) : checkType(old, value, where, name);
  }
  return result;
}

/** A network of another type replaces the whole; of the same type, only the fields given. */
function mergeNetwork(base: NetworkConfig, value: Json, where: string): Json {
  const type = isObject(value) && value.type !== undefined ? value.type : base.type;
  if (type !== "mlp" && type !== "unet")
    throw new ConfigError(`${where}: network.type must be one of mlp, unet; got ${JSON.stringify(type)}.`);
  const template =
    type === base.type ? base : type === "mlp" ? defaultNetwork([1]) : defaultNetwork([1, 28, 28]);
  return merge(template as unknown as Record<string, Json>, value, where, "network");
}

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkType(old: Json, value: Json, where: string, name: string): Json {
  const list = name === "mStep.augment" ? "list of names" : "list of numbers";
  const kind = (x: Json) => (Array.isArray(x) ? list : typeof x);
  const fitsList = (x: Json) => (name === "mStep.augment" ? typeof x === "string" : Number.isFinite(x));
  const fits = kind(old) === kind(value) && (!Array.isArray(value) || value.every(fitsList));
  if (!fits || (typeof value === "number" && !Number.isFinite(value)))
    throw new ConfigError(`${where}: ${name} must be a ${kind(old)}, got ${JSON.stringify(value)}.`);
  return value;
}

/** @throws ConfigError naming the first value out of range */
function checkConfig(config: TrainConfig, where: string): void {
  checkSchedule(config.schedule, `${where}: schedule`);
  const whole = (name: string, value: number, least: number) => {
    if (!Number.isInteger(value) || value < least)
      throw new ConfigError(`${where}: ${name} must be a whole number >= ${least}, got ${value}.`);
  };
  const { em, eStep, mStep, start, figures } = config;
  whole("seed", config.seed, 0);
  whole("start.rank", start.rank, 1);
  whole("start.iterations", start.iterations, 1);
  whole("start.observations", start.observations, 1);
  whole("em.iterations", em.iterations, 1);
  whole("em.observations", em.observations, 0);
  whole("em.finalObservations", em.finalObservations, 0);
  whole("em.buffer", em.buffer, 1);
  for (const name of ["steps", "cgSteps", "batch"] as const) whole(`eStep.${name}`, eStep[name], 1);
  for (const name of ["steps", "finalSteps", "batch"] as const) whole(`mStep.${name}`, mStep[name], 1);
  for (const [name, value] of Object.entries(figures)) whole(`figures.${name}`, value, 1);
  oneOf(`${where}: eStep.sampler`, eStep.sampler, Object.keys(SAMPLERS));
  oneOf(`${where}: network.base`, config.network.base, BASES);
  oneOf(`${where}: eStep.covariance`, eStep.covariance, COVARIANCES);
  oneOf(`${where}: schedule.spacing`, config.schedule.spacing, SPACINGS);
  oneOf(`${where}: eStep.method`, eStep.method, METHODS);
  oneOf(`${where}: eStep.solver`, eStep.solver, SOLVERS);
  for (const name of mStep.augment) oneOf(`${where}: mStep.augment`, name, AUGMENTATIONS);
  whole("eStep.corrections", eStep.corrections, 0);
  if (!(eStep.eta >= 0 && eStep.eta <= 1))
    throw new ConfigError(`${where}: eStep.eta must be in [0, 1], got ${eStep.eta}.`);
  if (!(eStep.tau > 0)) throw new ConfigError(`${where}: eStep.tau must be positive, got ${eStep.tau}.`);
  if (!(eStep.tolerance >= 0 && eStep.tolerance < 1))
    throw new ConfigError(`${where}: eStep.tolerance must be in [0, 1), got ${eStep.tolerance}.`);
  if (mStep.learningRate.length !== 3 || mStep.learningRate.some((rate) => rate <= 0))
    throw new ConfigError(
      `${where}: mStep.learningRate must be three positive numbers, got [${mStep.learningRate}].`,
    );
  if (!(mStep.emaDecay >= 0 && mStep.emaDecay < 1))
    throw new ConfigError(`${where}: mStep.emaDecay must be in [0, 1), got ${mStep.emaDecay}.`);
}

/** @throws ConfigError listing what is allowed */
export function oneOf(where: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value))
    throw new ConfigError(
      `${where} must be one of ${allowed.join(", ")}; got ${JSON.stringify(value)}.${didYouMean(value, allowed)}`,
    );
}
