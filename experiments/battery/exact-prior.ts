/** Posteriors under the exact prior, drawn as a run draws under its own: what is amiss then is the sampler's or the method's. */
import { kindInCoordinates } from "../../src/data/coordinates.ts";
import { bindMeasurement, conditionShapes } from "../../src/data/measurement.ts";
import type { Observations } from "../../src/data/observations.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { compileParticleSampler, compileSampler } from "../../src/diffusion/sample.ts";
import type { TrainConfig } from "../../src/em/config.ts";
import { limited, type Model, samplerMethod } from "../../src/em/model.ts";
import { posteriorDenoiser } from "../../src/em/posterior.ts";
import { particleGuidance } from "../../src/posterior/particle-guidance.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { type PosteriorSource, sourceOf } from "./learn.ts";
import { asMixture, type Component, mixtureInCoordinates } from "./mixture.ts";

/**
 * Draws with the sampler, method, noise levels and coordinates of a run.
 * @param model of the run: its start and its coordinates
 */
export async function exactPriorSource(
  components: readonly Component[],
  model: Model,
  config: TrainConfig,
  observations: Observations,
  engine: EngineOptions,
): Promise<PosteriorSource> {
  const { coordinates, gaussian } = model;
  const { eStep } = config;
  const inside = coordinates ? mixtureInCoordinates(components, coordinates) : components;
  const denoiser = mixtureDenoiser(asMixture(inside));
  const kind = coordinates ? kindInCoordinates(observations, coordinates) : observations;
  const shared = {
    sampler: samplerMethod(eStep),
    batch: eStep.batch,
    shape: observations.header.latentShape,
    turns: 16,
    conditions: conditionShapes(kind),
  };
  const sampler =
    eStep.particles > 1
      ? await compileParticleSampler(
          {
            ...shared,
            particles: eStep.particles,
            guidance: (conditions) => particleGuidance(denoiser, bindMeasurement(kind, conditions)),
          },
          engine,
        )
      : await compileSampler(
          {
            ...shared,
            denoiser: (conditions, observe) =>
              limited(
                posteriorDenoiser(denoiser, bindMeasurement(kind, conditions), eStep, gaussian, observe),
                model,
              ),
          },
          engine,
        );
  return await sourceOf(model, sampler, config, observations, engine);
}
