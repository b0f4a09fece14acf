import { DataError } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import type { Coordinates } from "../data/observations/coordinates.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { EStepConfig } from "../em/config/config.ts";
import { buildNetwork, type NetworkConfig } from "../em/config/network.ts";
import type { Model } from "../inference/model.ts";
import { checkParameters, type Parameters } from "../nn/parameters.ts";
import { decodeSafetensors, encodeSafetensors } from "../nn/safetensors.ts";

/** A prior as a page takes it along: all that draws need, without the run. */
export interface CarriedPrior {
  readonly model: Model;
  /** The run's name and the iteration, for people. */
  readonly name: string;
  readonly iteration: number;
  /** How the run draws. */
  readonly eStep: EStepConfig;
  /** Steps of prior samples. */
  readonly priorSteps: number;
}

/** What of a prior is no array. */
interface Description extends Omit<CarriedPrior, "model"> {
  readonly latentShape: Shape;
  readonly network: NetworkConfig;
  readonly coordinates: Pick<Coordinates, "unit" | "noise">;
  readonly schedule: Model["schedule"];
  readonly limits: Model["limits"];
}

const WEIGHT = "weights.";

/** A safetensors file of weights, Gaussian and coordinates, with the rest as JSON in its metadata. */
export function encodePrior(
  { model, ...rest }: CarriedPrior,
  network: NetworkConfig,
): Uint8Array<ArrayBuffer> {
  const { parameters, gaussian, coordinates, schedule, limits } = model;
  const { shift, scale, unit, noise } = coordinates!;
  const description: Description = {
    ...rest,
    latentShape: model.network.shape,
    network,
    coordinates: { unit, noise },
    schedule,
    limits,
  };
  const weights = Object.entries(parameters ?? {}).map(([name, array]) => [`${WEIGHT}${name}`, array]);
  return encodeSafetensors(
    { ...gaussian, shift, scale, ...Object.fromEntries(weights) },
    { prior: JSON.stringify(description) },
  );
}

/** Reads what `encodePrior` wrote. @throws DataError if it is something else */
export function decodePrior(bytes: Uint8Array, where: string): CarriedPrior {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  if (metadata.prior === undefined) throw new DataError(`${where}: expected a prior, found other arrays.`);
  const {
    latentShape,
    network: config,
    coordinates,
    schedule,
    limits,
    ...rest
  } = JSON.parse(metadata.prior) as Description;
  const network = buildNetwork(config, latentShape);
  const weights = Object.entries(tensors).filter(([name]) => name.startsWith(WEIGHT));
  const parameters =
    weights.length === 0
      ? undefined
      : (Object.fromEntries(
          weights.map(([name, array]) => [name.slice(WEIGHT.length), array]),
        ) as Parameters);
  if (parameters) checkParameters(network.parameters, parameters, where);
  const { mean, diagonal, factor, shift, scale } = tensors;
  return {
    ...rest,
    model: {
      network,
      parameters,
      gaussian: { mean, diagonal, factor } as unknown as Gaussian,
      base: config.base,
      coordinates: { shift, scale, ...coordinates } as Coordinates,
      schedule,
      limits,
    },
  };
}
