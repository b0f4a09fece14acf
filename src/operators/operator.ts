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

/** A' v, the vector-Jacobian product of the operator. @param x any tensor of latent shape; only the shape matters */
export function adjoint(operator: LinearOperator, x: Tensor, v: Tensor): Tensor {
  return vjp([operator(x)], [x], [v])[0]!;
}

/**
 * A family of operators: the data that each observation carries, and the map that they stand for. A program is compiled once for
 * a family, and takes the data as inputs.
 */
export interface OperatorFamily {
  /** Shape of one latent. */
  readonly latentShape: Shape;
  /** Shape of one observation. */
  readonly observationShape: Shape;
  /** Shape of each array that an observation carries, by name. */
  readonly data: Readonly<Record<string, Shape>>;
  /**
   * The masks among `data`, of 0 and 1. Each has, for each flat entry of y, the flat entry of the mask that covers it, or -1. An
   * entry of y that a 0 covers carries no measurement, and counts as 0.
   */
  readonly masks: Readonly<Record<string, Int32Array>>;
  /** The parameters among `data`, such as angles: unlike a matrix or a kernel, they may be all zeros. Default: none. */
  readonly parameters?: readonly string[];
  /** Whether the map is linear. Methods linearize one that is not. Default true. */
  readonly linear?: boolean;
  /** Whether the map takes any number of channels, [B, C, ...lengths], treats each alike, and many together faster. Default false. */
  readonly channelsAlike?: boolean;
  /** The flat entry of x that each flat entry of y comes from. Only for operators that do not mix entries. */
  readonly picks?: Int32Array;
  /** Whether A A' is diagonal, or nearly: a solver of few steps needs no help with it. Default: for operators that pick entries. */
  readonly orthogonal?: boolean;
  /** Makes the operator of a batch. @param data [B, ...shape] by name */
  readonly bind: (data: Readonly<Record<string, Tensor>>) => LinearOperator;
}
