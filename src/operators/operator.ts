import type { Shape } from "../core/shape.ts";
import { type Tensor, vjp } from "../graph/index.ts";

/** A linear map from latents [B, ...N] to observations [B, ...M]; each sample of the batch may have its own. */
export type LinearOperator = (x: Tensor) => Tensor;

/** A covariance Sigma_y = diag(d) + L L' of the noise: independent noise, and a few patterns that entries share. */
export interface NoiseCovariance {
  /** d, above 0: one number, or a tensor that broadcasts to [B, ...M]. */
  readonly diagonal: number | Tensor;
  /** L on flattened observations, [1 or B, M, r]; its r columns are the patterns. */
  readonly factor?: Tensor;
}

/** The noise on y: one variance, a tensor of variances that broadcasts to [B, ...M], or a covariance. */
export type NoiseVariance = number | Tensor | NoiseCovariance;

/** A' v: the adjoint is the vector-Jacobian product of the operator itself. `x` is any tensor of latent shape. */
export function adjoint(operator: LinearOperator, x: Tensor, v: Tensor): Tensor {
  return vjp([operator(x)], [x], [v])[0]!;
}

/**
 * A kind of operator: what data an observation carries, and the map that the data stand for.
 * Programs are compiled once per kind, with the data as inputs.
 */
export interface OperatorFamily {
  /** Shape of one latent. */
  readonly latentShape: Shape;
  /** Shape of one observation. */
  readonly observationShape: Shape;
  /** Shape of each array that an observation carries, by name. */
  readonly data: Readonly<Record<string, Shape>>;
  /**
   * Which of `data` are masks of 0 and 1, and what they hide: for each flat entry of y the flat entry of the mask that
   * covers it, or -1. An entry that a 0 covers carries no measurement and counts as 0.
   */
  readonly masks: Readonly<Record<string, Int32Array>>;
  /** Which of `data` are parameters and no weights: one of zeros is as good as another. Default none. */
  readonly parameters?: readonly string[];
  /** Whether the map is linear. Default true; another is linearized where a method needs a matrix. */
  readonly linear?: boolean;
  /** For operators that do not mix entries: the flat entry of x that each flat entry of y comes from. */
  readonly picks?: Int32Array;
  /** The operator of a batch. @param data [B, ...shape] by name */
  readonly bind: (data: Readonly<Record<string, Tensor>>) => LinearOperator;
}
