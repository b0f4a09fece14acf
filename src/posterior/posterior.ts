import type { SolverStatus } from "../diffusion/solver-status.ts";
import type { Tensor } from "../graph/index.ts";
import type { NoiseVariance } from "../operators/operator.ts";

/** What a posterior is conditioned on: y = A(x) + noise of variance `variance`, for each sample of the batch. */
export interface Measurement {
  /** A, from latents [B, ...N] to observations [B, ...M]. */
  readonly operator: (x: Tensor) => Tensor;
  /** [B, ...M] */
  readonly y: Tensor;
  /** Covariance Sigma_y of the noise, in the units of y squared: a variance, variances, or diagonal plus low rank. */
  readonly variance: NoiseVariance;
  /** Whether A is linear. Methods linearize a differentiable A that is not, at the denoised mean. Default true. */
  readonly linear?: boolean;
  /** Whether A A' is far from diagonal: a solver of few steps needs help with it. Default false. */
  readonly mixes?: boolean;
  /** Whether A takes any number of channels, and treats each alike. Default false. */
  readonly channelsAlike?: boolean;
}

export type { SolverStatus };

/** Options of every posterior method. */
export interface PosteriorOptions {
  /** Called while the graph is built, once per evaluation of the denoiser, with the solver's status. Results do not depend on it. */
  readonly observe?: (status: SolverStatus) => void;
}
