import type { Tensor } from "../graph/index.ts";
import type { LinearOperator, NoiseVariance } from "../operators/operator.ts";

/** What a posterior is conditioned on: y = A x + noise of variance `variance`, for each sample of the batch. */
export interface Measurement {
  readonly operator: LinearOperator;
  /** [B, ...M] */
  readonly y: Tensor;
  /** Noise variance Sigma_y (diagonal), in the units of y squared. */
  readonly variance: NoiseVariance;
}
