import type { HostArray } from "../core/array.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { ObservationBatch, ObservationHeader } from "../data/observations.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { Tensor } from "../graph/index.ts";
import type { OperatorFamily } from "../operators/operator.ts";
import { operatorFamily as familyOf } from "../operators/registry.ts";
import { gaussianPrior, heuristicPosterior, identityPrior, sigmaT } from "../posterior/heuristics.ts";
import { mmps } from "../posterior/mmps.ts";
import type { Measurement } from "../posterior/posterior.ts";

/** Covariances V[x | x_t] by name: Tweedie's, and the heuristics of algorithm 3, line 6. */
export const COVARIANCES = ["tweedie", "identity", "sigma-t", "sigma-x"] as const;
export type CovarianceName = (typeof COVARIANCES)[number];

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

/** The posterior denoiser with a covariance chosen by name. */
export function posteriorDenoiser(
  denoiser: Denoiser,
  measurement: Measurement,
  covariance: CovarianceName,
  cgSteps: number,
  gaussian: Gaussian,
): Denoiser {
  const options = { cgSteps };
  if (covariance === "tweedie") return mmps(denoiser, measurement, options);
  const heuristics = {
    identity: () => identityPrior,
    "sigma-t": () => sigmaT,
    "sigma-x": () => gaussianPrior(gaussian),
  };
  return heuristicPosterior(denoiser, measurement, heuristics[covariance](), options);
}
