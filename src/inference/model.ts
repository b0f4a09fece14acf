import { float32 } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";
import type { Coordinates } from "../data/observations/coordinates.ts";
import { type Base, gaussianBase, normalBase } from "../diffusion/base.ts";
import { type Denoiser, type Limits, limitMean } from "../diffusion/denoiser.ts";
import { type Gaussian, gaussianDenoiser } from "../diffusion/gaussian.ts";
import { precondition } from "../diffusion/precondition.ts";
import type { Schedule } from "../diffusion/schedule.ts";
import type { Network } from "../nn/network.ts";
import { constantWeights, type Parameters } from "../nn/parameters.ts";

/** A prior: a network with its weights, and the Gaussian that EM started from. */
export interface Model {
  readonly network: Network;
  /** Weights of the network. Undefined before the first M-step; the Gaussian is then the prior. */
  readonly parameters: Parameters | undefined;
  readonly gaussian: Gaussian;
  /** A denoiser of your own, in the model's coordinates. It takes the place of the network's and of the Gaussian's. */
  readonly denoiser?: Denoiser | undefined;
  /** What the network corrects: the denoiser of the Gaussian start, or that of a standard normal. */
  readonly base: BaseName;
  /** Coordinates of the Gaussian, the network and the noise levels. Default: your units. */
  readonly coordinates?: Coordinates | undefined;
  readonly schedule: Schedule;
  /** Limits of clean data in your units, if they are known; samplers keep denoised means inside. */
  readonly limits?: readonly [number, number] | undefined;
}

/** Bases of the preconditioning by name. */
export const BASES = ["gaussian", "normal"] as const;
export type BaseName = (typeof BASES)[number];

/** The base of the preconditioning. */
export function baseOf({ base, gaussian }: Pick<Model, "base" | "gaussian">): Base {
  return base === "gaussian" ? gaussianBase(gaussian) : normalBase;
}

/** The model's denoiser, a network's with its weights as constants. */
export function modelDenoiser(model: Model): Denoiser {
  const { network, parameters, gaussian } = model;
  if (model.denoiser) return model.denoiser;
  if (!parameters) return gaussianDenoiser(gaussian);
  return precondition(network, constantWeights(parameters), { base: baseOf(model) });
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
