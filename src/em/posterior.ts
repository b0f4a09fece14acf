import { sizeOf } from "../core/shape.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { type CovarianceName, type PosteriorName, posteriorMethod } from "../posterior/methods.ts";
import type { Measurement, PosteriorOptions } from "../posterior/posterior.ts";
import type { SolverName } from "../posterior/solver.ts";

export { COVARIANCES, type CovarianceName } from "../posterior/methods.ts";

/** A posterior method by name with the options that a configuration holds. */
export interface PosteriorChoice {
  readonly method?: PosteriorName;
  readonly covariance: CovarianceName;
  readonly solver?: SolverName;
  readonly cgSteps: number;
  readonly tolerance?: number;
  /** Noise level below which `gaussianGuided` takes the method's place; null or left out: nowhere. */
  readonly gaussianBelow?: number | null;
  /** `mmps`: particles of each draw, see `particleGuidance`. Default 1. */
  readonly particles?: number;
  /** `mmps`: whether the Gaussian preconditions the solver where its steps do not solve the system anyway. */
  readonly preconditioned?: boolean;
}

/**
 * The posterior denoiser of a choice. `solver`, `cgSteps` and `tolerance` are those of `mmps`; the other methods that
 * solve multiply by A alone, and have defaults for that.
 * @param gaussian of the covariance "sigma-x" and of the preconditioner
 * @param observe see `PosteriorOptions`
 */
export function posteriorDenoiser(
  denoiser: Denoiser,
  measurement: Measurement,
  { method = "mmps", preconditioned = false, ...choice }: PosteriorChoice,
  gaussian: Gaussian,
  observe?: PosteriorOptions["observe"],
): Denoiser {
  const preconditioner = preconditioned && !isSolvedIn(choice.cgSteps, measurement) ? gaussian : undefined;
  const options = {
    ...(method === "mmps" && { ...choice, gaussian, ...(preconditioner && { preconditioner }) }),
    ...(observe && { observe }),
  };
  return posteriorMethod(method).make(denoiser, measurement, options);
}

/** As many steps as there are measurements solve a system; rounding asks for two more. */
function isSolvedIn(steps: number, { y }: Measurement): boolean {
  return steps >= sizeOf(y.shape.slice(1)) + 2;
}
