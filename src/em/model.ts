import { float32 } from "../core/array.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { type Coordinates, kindInCoordinates } from "../data/coordinates.ts";
import { bindMeasurement, conditionShapes } from "../data/measurement.ts";
import type { ObservationKind } from "../data/observations.ts";
import { type Base, gaussianBase, normalBase } from "../diffusion/base.ts";
import { type Denoiser, type Limits, limitMean } from "../diffusion/denoiser.ts";
import { type Gaussian, gaussianDenoiser } from "../diffusion/gaussian.ts";
import { precondition } from "../diffusion/precondition.ts";
import {
  compileParticleSampler,
  compileSampler,
  type Sampler,
  type SamplerSpec,
} from "../diffusion/sample.ts";
import type { SamplerMethod, SamplerOptions } from "../diffusion/samplers/method.ts";
import { SAMPLERS, type SamplerName } from "../diffusion/samplers.ts";
import type { Schedule } from "../diffusion/schedule.ts";
import type { Tensor } from "../graph/index.ts";
import type { Network } from "../nn/network.ts";
import { constantWeights, type Parameters } from "../nn/parameters.ts";
import { gaussianGuided } from "../posterior/gaussian-guided.ts";
import { particleGuidance } from "../posterior/particle-guidance.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type PosteriorChoice, posteriorDenoiser } from "./posterior.ts";

/** A learned prior: the network with the weights that sample, and the Gaussian that EM started from. */
export interface Model {
  readonly network: Network;
  /** Undefined before the first M-step: then the Gaussian is the prior. */
  readonly parameters: Parameters | undefined;
  readonly gaussian: Gaussian;
  /** What the network corrects: the denoiser of the Gaussian start, or that of a standard normal. */
  readonly base: BaseName;
  /** What the Gaussian, the network and the noise levels are in; left out: the user's own. */
  readonly coordinates?: Coordinates | undefined;
  readonly schedule: Schedule;
  /** Limits of clean data in the user's units, if they are known: the means that samples are made of are kept inside. */
  readonly limits?: readonly [number, number] | undefined;
}

/** Bases of the preconditioning by name. */
export const BASES = ["gaussian", "normal"] as const;
export type BaseName = (typeof BASES)[number];

/** The base of the preconditioning. */
export function baseOf({ base, gaussian }: Pick<Model, "base" | "gaussian">): Base {
  return base === "gaussian" ? gaussianBase(gaussian) : normalBase;
}

/** The model's denoiser with its weights as constants. */
export function modelDenoiser(model: Model): Denoiser {
  const { network, parameters, gaussian } = model;
  if (!parameters) return gaussianDenoiser(gaussian);
  return precondition(network, constantWeights(parameters), { base: baseOf(model) });
}

/** A sampler by name with its options, and how many samples it computes together. */
export interface SamplerChoice extends Omit<SamplerOptions, "eta"> {
  readonly sampler: SamplerName;
  /** null: the sampler's own default. */
  readonly eta?: number | null;
  readonly batch: number;
}

/**
 * Steps per run of the engine. Vectors have an MLP, whose step takes about as long as the way into the engine: they
 * run many at once. A step of a U-Net is long enough to show progress and to be interrupted after.
 */
const TURNS = { vectors: 64, images: 1 } as const;

/** The sampler of a choice. @throws ConfigError if an option is not for it */
export function samplerMethod({ sampler, eta, ...options }: SamplerChoice): SamplerMethod {
  return SAMPLERS[sampler]({ ...options, ...(typeof eta === "number" && { eta }) });
}

function samplerSpec(choice: SamplerChoice, shape: Shape) {
  return {
    sampler: samplerMethod(choice),
    batch: choice.batch,
    shape,
    turns: shape.length === 1 ? TURNS.vectors : TURNS.images,
  };
}

/** A sampler of the prior q(x). */
export async function priorSampler(
  model: Model,
  choice: SamplerChoice,
  engine: EngineOptions,
): Promise<Sampler> {
  const denoiser = limited(modelDenoiser(model), model);
  const spec = samplerSpec(choice, model.network.shape);
  return await compileSampler({ ...spec, denoiser: () => denoiser }, engine);
}

/** A sampler of posteriors q(x | y, A), for observations of one kind (or of a set); feed it `conditionArrays`. */
export async function posteriorSampler(
  model: Model,
  kind: ObservationKind,
  choice: SamplerChoice & PosteriorChoice,
  engine: EngineOptions,
): Promise<Sampler> {
  if (isWeighed(model, choice)) return await particleSampler(model, kind, choice, engine);
  const denoiser = modelDenoiser(model);
  const { method = "mmps", covariance, solver = "cg", cgSteps, tolerance = 0, gaussianBelow } = choice;
  const { gaussian, coordinates } = model;
  const options = { method, covariance, solver, cgSteps, tolerance };
  const own = coordinates ? kindInCoordinates(kind, coordinates) : kind;
  const measured = (conditions: Readonly<Record<string, Tensor>>) => bindMeasurement(own, conditions);
  const guided: SamplerSpec["denoiser"] = (conditions, observe) =>
    limited(posteriorDenoiser(denoiser, measured(conditions), options, gaussian, observe), model);
  const cheap: SamplerSpec["denoiser"] = (conditions) =>
    limited(gaussianGuided(denoiser, measured(conditions), gaussian), model);
  return await compileSampler(
    {
      ...samplerSpec(choice, kind.header.latentShape),
      conditions: conditionShapes(kind),
      denoiser: guided,
      ...(typeof gaussianBelow === "number" && {
        below: { sigma: gaussianBelow / (coordinates?.unit ?? 1), denoiser: cheap },
      }),
    },
    engine,
  );
}

/** Whether several particles are weighed for each draw: where steps have a density, and moment matching guides them. */
function isWeighed(
  { base }: Model,
  { particles = 1, method = "mmps", covariance, ...choice }: SamplerChoice & PosteriorChoice,
): boolean {
  const isMatching = method === "mmps" && covariance === "tweedie" && base === "gaussian";
  return particles > 1 && isMatching && samplerMethod(choice).deviation !== undefined;
}

/** The same with several particles for each draw. They begin at draws of the Gaussian start's posterior. */
async function particleSampler(
  model: Model,
  kind: ObservationKind,
  choice: SamplerChoice & PosteriorChoice,
  engine: EngineOptions,
): Promise<Sampler> {
  const denoiser = modelDenoiser(model);
  const own = model.coordinates ? kindInCoordinates(kind, model.coordinates) : kind;
  return await compileParticleSampler(
    {
      ...samplerSpec(choice, kind.header.latentShape),
      particles: choice.particles ?? 1,
      conditions: conditionShapes(kind),
      guidance: (conditions) => {
        const guide = particleGuidance(denoiser, bindMeasurement(own, conditions));
        return (x_t, sigma_t) => {
          const found = guide(x_t, sigma_t);
          return { ...found, mean: limited(() => found.mean, model)(x_t, sigma_t) };
        };
      },
    },
    engine,
  );
}

/** The denoiser that samples: a posterior's is limited after it is guided, so that the guidance sees no limit. */
export function limited(denoiser: Denoiser, model: Model): Denoiser {
  const limits = limitsInside(model);
  return limits ? limitMean(denoiser, limits, model.schedule.sigmaMin) : denoiser;
}

/** The limits of each entry in the model's coordinates, [1, ...latent]. */
export function limitsInside({
  limits,
  coordinates,
  network,
}: Pick<Model, "limits" | "coordinates" | "network">): Limits | undefined {
  if (!limits) return undefined;
  const N = sizeOf(network.shape);
  const each = (limit: number) =>
    float32(
      Float32Array.from({ length: N }, (_, i) =>
        coordinates ? (limit - coordinates.shift.data[i]!) / coordinates.scale.data[i]! : limit,
      ),
      [1, ...network.shape],
    );
  return [each(limits[0]), each(limits[1])];
}
