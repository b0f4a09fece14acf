import { kindInCoordinates } from "../data/observations/coordinates.ts";
import {
  bindMeasurement,
  type MeasurementInputs,
  type MeasurementShapes,
  measurementShapes,
} from "../data/observations/measurement.ts";
import type { ObservationKind } from "../data/observations/observations.ts";
import { remembered } from "../diffusion/denoiser.ts";
import { gaussianDenoiser } from "../diffusion/gaussian.ts";
import {
  compileParticleSampler,
  compileSampler,
  type Sampler,
  type SamplerSpec,
} from "../diffusion/sample.ts";
import { evidenceGain } from "../posterior/evidence-gain.ts";
import { gaussianGuided } from "../posterior/gaussian-guided.ts";
import { particleGuidance } from "../posterior/particles/particle-guidance.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type SamplerChoice, samplerMethod, samplerSpec } from "./choice.ts";
import { limited, type Model, modelDenoiser } from "./model.ts";
import { type PosteriorChoice, posteriorDenoiser } from "./posterior-denoiser.ts";

/** A sampler of posteriors q(x | y, A), for observations of one kind (or of a set); its conditions are a batch of them. */
export async function posteriorSampler(
  model: Model,
  kind: ObservationKind,
  choice: SamplerChoice & PosteriorChoice & { readonly evidence?: boolean },
  engine: EngineOptions,
): Promise<Sampler> {
  if (isWeighed(model, choice)) return await particleSampler(model, kind, choice, engine);
  const denoiser = remembered(modelDenoiser(model));
  const { method = "mmps", covariance, solver = "cg", cgSteps, tolerance = 0, gaussianBelow } = choice;
  const { gaussian, coordinates } = model;
  const options = { method, covariance, solver, cgSteps, tolerance };
  const own = coordinates ? kindInCoordinates(kind, coordinates) : kind;
  const measured = (inputs: MeasurementInputs) => bindMeasurement(own, inputs);
  const guided: SamplerSpec<MeasurementShapes>["denoiser"] = (conditions, observe) =>
    limited(posteriorDenoiser(denoiser, measured(conditions), options, gaussian, observe), model);
  const cheap: SamplerSpec<MeasurementShapes>["denoiser"] = (conditions) =>
    limited(gaussianGuided(denoiser, measured(conditions), gaussian), model);
  return await compileSampler(
    {
      ...samplerSpec(choice, kind.header.latentShape),
      conditions: measurementShapes(kind),
      denoiser: guided,
      ...(typeof gaussianBelow === "number" && {
        below: { sigma: gaussianBelow / (coordinates?.unit ?? 1), denoiser: cheap },
      }),
      ...(choice.evidence && {
        tally: (conditions: MeasurementInputs) => {
          const given = measured(conditions);
          // Moment matching is exact for a Gaussian but for its solver, whose errors the two then share.
          const guided = isMatching({ method, covariance })
            ? posteriorDenoiser(gaussianDenoiser(gaussian), given, options, gaussian)
            : undefined;
          return evidenceGain(denoiser, gaussian, given, guided);
        },
      }),
    },
    engine,
  );
}

/** Whether several particles are weighed for each draw: where steps have a density, and moment matching guides them. */
function isWeighed({ base }: Model, { particles = 1, ...choice }: SamplerChoice & PosteriorChoice): boolean {
  const isGuided = isMatching(choice) && base === "gaussian";
  return particles > 1 && isGuided && samplerMethod(choice).deviation !== undefined;
}

/** Whether the method is moment matching with the prior's own covariance. */
function isMatching({
  method = "mmps",
  covariance,
}: Pick<PosteriorChoice, "method" | "covariance">): boolean {
  return method === "mmps" && covariance === "tweedie";
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
      conditions: measurementShapes(kind),
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
