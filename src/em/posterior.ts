import { sizeOf } from "../core/shape.ts";
import type { ObservationKind } from "../data/observations.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { type CovarianceName, type PosteriorName, posteriorMethod } from "../posterior/methods.ts";
import type { Measurement, PosteriorOptions } from "../posterior/posterior.ts";
import type { SolverName } from "../posterior/solver.ts";

export * from "../data/measurement.ts";
export { COVARIANCES, type CovarianceName } from "../posterior/methods.ts";

/**
 * Conjugate-gradient steps that solve a Gaussian's systems. A mask leaves at most rank + 1 distinct eigenvalues and M
 * measurements at most M; float32 needs some more (measured: rank + 4 leave 1e-6 where rank + 1 left 0.8). Patterns of
 * the noise count as rank. Noise that differs from entry to entry, and entries that are measured twice, leave more
 * (measured at rank 20: residuals of 5 and 80 with rank + 8 steps, 1.02 and 1.00 with 4 rank + 32). So do operators that
 * mix entries: columns of a real image's k-space come alone or with
 * their mirror image, and the sums of all pixels are 1e7 times the noise, so float32 needs several times the rank (measured on
 * 64 x 64 pixels at rank 40: residual 27 with 2 rank + 16 steps, 1.3 with 3 rank + 40, 1.003 with 4 rank + 32).
 */
export function gaussianCgSteps(kind: ObservationKind, rank: number): number {
  const patterns = kind.noiseFactor?.shape.at(-1) ?? 0;
  const directions = rank + patterns;
  const { picks } = kind.family;
  const isUniform = typeof kind.header.noiseVariance === "number";
  const isSimple = picks !== undefined && isUniform && new Set(picks).size === picks.length;
  const steps = isSimple ? directions + 8 : 4 * directions + 32;
  return Math.min(steps, 2 * sizeOf(kind.header.observationShape) + 2);
}

/** A posterior method by name with the options that a configuration holds. */
export interface PosteriorChoice {
  readonly method?: PosteriorName;
  readonly covariance: CovarianceName;
  readonly solver?: SolverName;
  readonly cgSteps: number;
  readonly tolerance?: number;
  /** Noise level below which `gaussianGuided` takes the method's place; null or left out: nowhere. */
  readonly gaussianBelow?: number | null;
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
  return posteriorMethod(method).make(denoiser, measurement, options);
}
