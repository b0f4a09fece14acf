/** Posteriors under the exact prior, drawn as a run draws under its own: what is amiss then is the sampler's or the method's. */
import type { Observations } from "../../src/data/observations/observations.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import type { TrainConfig } from "../../src/em/config/config.ts";
import type { DrawSource } from "../../src/inference/draw-source.ts";
import type { Model } from "../../src/inference/model.ts";
import { compileGuided } from "../../src/inference/posterior.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { asMixture, type Component, mixtureInCoordinates } from "./mixture.ts";

/**
 * Draws with the sampler, method, noise levels and coordinates of a run.
 * @param model of the run: its start and its coordinates
 */
export async function exactPriorSource(
  components: readonly Component[],
  model: Model,
  { eStep }: TrainConfig,
  observations: Observations,
  engine: EngineOptions,
): Promise<DrawSource> {
  const { coordinates } = model;
  const inside = coordinates ? mixtureInCoordinates(components, coordinates) : components;
  const denoiser = mixtureDenoiser(asMixture(inside));
  return await compileGuided({ ...model, denoiser }, observations, eStep, engine);
}
