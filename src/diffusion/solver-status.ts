import type { HostArray } from "../core/array.ts";
import { add, maximum, type Tensor } from "../graph/index.ts";

/** How the linear solver inside a posterior denoiser fared, per sample. */
export interface SolverStatus {
  /** |b - M v| / |b|, [B] */
  readonly residual: Tensor;
  /** Products with M that were used, [B] */
  readonly steps: Tensor;
  /** 1 where the solver had to stop early, else 0, [B] */
  readonly breakdown: Tensor;
}

/** Receives the status of an evaluation of a denoiser while the graph is built. */
export type Observe = (status: SolverStatus) => void;

/** Of all evaluations behind a draw: the largest residual, the sum of products, whether any broke down; [n] each. */
export type DrawStatus = Readonly<Record<keyof SolverStatus, HostArray<"float32">>>;

/** Two statuses as one: the worse residual, all products, any breakdown. */
export function combineStatus(a: SolverStatus, b: SolverStatus): SolverStatus {
  return {
    residual: maximum(a.residual, b.residual),
    steps: add(a.steps, b.steps),
    breakdown: maximum(a.breakdown, b.breakdown),
  };
}
