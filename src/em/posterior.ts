import type { HostArray } from "../core/array.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { ObservationBatch, ObservationHeader } from "../data/observations.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { Tensor } from "../graph/index.ts";
import type { OperatorFamily } from "../operators/operator.ts";
import { operatorFamily as familyOf } from "../operators/registry.ts";
import { type CovarianceName, type PosteriorName, posteriorMethod } from "../posterior/methods.ts";
import type { Measurement, PosteriorOptions } from "../posterior/posterior.ts";
import type { SolverName } from "../posterior/solver.ts";

export { COVARIANCES, type CovarianceName } from "../posterior/methods.ts";

/** The operators that a set of observations was made with. */
export function operatorFamily(header: ObservationHeader): OperatorFamily {
  return familyOf(header.operator, header.latentShape, header.observationShape);
}

/** What of an observation a program takes as inputs: y, the operator's data and, if it varies, the noise variance. */
export function conditionShapes(header: ObservationHeader): Record<string, Shape> {
  return {
    y: header.observationShape,
    ...operatorFamily(header).data,
    ...(header.noiseVariance === "array" && { noiseVariance: header.observationShape }),
  };
}

/** The arrays of a batch under the names of `conditionShapes`. */
export function conditionArrays(batch: ObservationBatch): Record<string, HostArray<"float32">> {
  return { y: batch.y, ...batch.data, ...(batch.noiseVariance && { noiseVariance: batch.noiseVariance }) };
}

/** The measurement that such inputs stand for. */
export function bindMeasurement(
  header: ObservationHeader,
  conditions: Readonly<Record<string, Tensor>>,
): Measurement {
  return {
    operator: operatorFamily(header).bind(conditions),
    y: conditions.y!,
    variance: header.noiseVariance === "array" ? conditions.noiseVariance! : header.noiseVariance,
  };
}

/**
 * Conjugate-gradient steps that solve a Gaussian's systems. A mask leaves at most rank + 1 distinct eigenvalues and M
 * measurements at most M; float32 needs some more (measured: rank + 4 leave 1e-6 where rank + 1 left 0.8).
 */
export function gaussianCgSteps(header: ObservationHeader, rank: number): number {
  return Math.min(rank + 8, 2 * sizeOf(header.observationShape) + 2);
}

/** A posterior method by name with the options that a configuration holds. */
export interface PosteriorChoice {
  readonly method?: PosteriorName;
  readonly covariance: CovarianceName;
  readonly solver?: SolverName;
  readonly cgSteps: number;
  readonly tolerance?: number;
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
