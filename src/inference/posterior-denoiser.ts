import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import {
  type CovarianceName,
  type MakePosterior,
  type PosteriorName,
  posteriorMethod,
} from "../posterior/methods.ts";
import type { Measurement, PosteriorOptions } from "../posterior/posterior.ts";
import type { SolverName } from "../posterior/solvers/solver.ts";

export { COVARIANCES, type CovarianceName } from "../posterior/methods.ts";

/** A posterior method and its options, as a configuration holds them. */
export interface PosteriorChoice {
  /** A name, or a method of your own. */
  readonly method?: PosteriorName | MakePosterior;
  readonly covariance: CovarianceName;
  readonly solver?: SolverName;
  readonly cgSteps: number;
  readonly tolerance?: number;
  /** Noise level below which `gaussianGuided` takes the place of the method. Default: none. */
  readonly gaussianBelow?: number | null;
  /** Particles of each draw with `mmps`, see `particleGuidance`. Default 1. */
  readonly particles?: number;
}

/**
 * The posterior denoiser of a choice. `solver`, `cgSteps` and `tolerance` are those of `mmps`; the other methods that
 * solve multiply by A alone, and have defaults for that.
 * @param gaussian of the covariance "sigma-x"
 * @param observe see `PosteriorOptions`
 */
export function posteriorDenoiser(
  denoiser: Denoiser,
  measurement: Measurement,
  { method = "mmps", ...choice }: PosteriorChoice,
  gaussian: Gaussian,
  observe?: PosteriorOptions["observe"],
): Denoiser {
  const options = { ...(method === "mmps" && { ...choice, gaussian }), ...(observe && { observe }) };
  const make = typeof method === "string" ? posteriorMethod(method).make : method;
  return make(denoiser, measurement, options);
}
