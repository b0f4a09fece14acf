import { float32, type HostArray } from "../core/array.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { ObservationBatch, ObservationKind } from "../data/observations.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { constant, input, mul, reshape, type Tensor } from "../graph/index.ts";
import { seenEntries } from "../operators/measured.ts";
import { type CovarianceName, type PosteriorName, posteriorMethod } from "../posterior/methods.ts";
import type { Measurement, PosteriorOptions } from "../posterior/posterior.ts";
import type { SolverName } from "../posterior/solver.ts";

export { COVARIANCES, type CovarianceName } from "../posterior/methods.ts";

/** The operator's data among a program's inputs; they are named by users, and must not meet other inputs' names. */
const inputName = (data: string) => `data.${data}`;

function underInputNames<T>(data: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [inputName(name), value]));
}

/** What of an observation a program takes as inputs: y, the operator's data and, if it varies, the noise variance. */
export function conditionShapes({ header, family }: ObservationKind): Record<string, Shape> {
  return {
    y: header.observationShape,
    ...underInputNames(family.data),
    ...(header.noiseVariance === "array" && { noiseVariance: header.observationShape }),
  };
}

/** The inputs of a program for n observations. */
export function conditionInputs(kind: ObservationKind, n: number): Record<string, Tensor> {
  const inputs = Object.entries(conditionShapes(kind)).map(([name, shape]) => [name, input([n, ...shape])]);
  return Object.fromEntries(inputs);
}

/** The arrays of a batch under the names of `conditionShapes`. */
export function conditionArrays(batch: ObservationBatch): Record<string, HostArray<"float32">> {
  return {
    y: batch.y,
    ...underInputNames(batch.data),
    ...(batch.noiseVariance && { noiseVariance: batch.noiseVariance }),
  };
}

/** The operator's data among such inputs, under the names that the operator knows. */
export function operatorData(
  { family }: ObservationKind,
  conditions: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  return Object.fromEntries(Object.keys(family.data).map((name) => [name, conditions[inputName(name)]!]));
}

/** The measurement that such inputs stand for. */
export function bindMeasurement(
  kind: ObservationKind,
  conditions: Readonly<Record<string, Tensor>>,
): Measurement {
  const { header, family } = kind;
  const diagonal = header.noiseVariance === "array" ? conditions.noiseVariance! : header.noiseVariance;
  const factor = noiseFactor(kind, conditions);
  return {
    operator: family.bind(operatorData(kind, conditions)),
    y: conditions.y!,
    variance: factor ? { diagonal, factor } : diagonal,
    linear: family.linear ?? true,
  };
}

/**
 * The patterns of the noise, [1 or B, M, r]. Where a mask hides y its rows are zero: the 0 that stands there was not
 * measured, and tells nothing of the noise that it would share with others.
 */
function noiseFactor(
  kind: ObservationKind,
  conditions: Readonly<Record<string, Tensor>>,
): Tensor | undefined {
  const { family, noiseFactor: shared } = kind;
  if (!shared) return undefined;
  const M = sizeOf(family.observationShape);
  const L = constant(float32(shared.data, [1, M, shared.shape.at(-1)!]));
  const B = conditions.y!.shape[0]!;
  const seen = seenEntries(family, operatorData(kind, conditions), B);
  return seen ? mul(L, reshape(seen, [B, M, 1])) : L;
}

/** Shape of the normal numbers that a draw of the noise takes for its patterns, if there are any. */
export function patternShape({ noiseFactor }: ObservationKind): { readonly patterns?: Shape } {
  return noiseFactor ? { patterns: [noiseFactor.shape.at(-1)!] } : {};
}

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
