import { greater, mul, reshape, sum, type Tensor, where } from "../../graph/index.ts";
import type { SolverStatus } from "../posterior.ts";

/** The system M v = b as a solver sees it: products for each direction p. */
export type Product = (p: Tensor) => {
  /** M p */
  readonly product: Tensor;
  /** A linear by-product of p. The caller wants the same of the solution. */
  readonly companion: Tensor;
  /** S p, if M = D + S with a learned S that should be a covariance but may have negative eigenvalues. Default: M is positive. */
  readonly signal?: Tensor;
};

/** Options of all solvers. */
export interface SolverOptions {
  /** Number of steps, one product with M each. */
  readonly steps: number;
  /** A sample whose |b - M v| is at most this times |b| takes no further step. Default 0: all steps. */
  readonly tolerance?: number;
  /** r -> z with z = M^-1 r roughly. It may differ from step to step, as an inner solver does. Default: none. */
  readonly preconditioner?: (r: Tensor) => Tensor;
}

/** A solution with its figures. Figures are per sample, [B, 1, ...], and broadcast against b. */
export interface Solution {
  /** v with M v = b approximately, [B, ...M]. */
  readonly solution: Tensor;
  /** The companion of v, from the companions of the steps. */
  readonly companion: Tensor;
  /** |b - M v| / |b|; 0 where b is 0. A recurrence computes it: below about 1e-6 the true one is larger. */
  readonly residual: Tensor;
  /** Steps taken before the sample was solved or had to stop. */
  readonly steps: Tensor;
  /** 1 where the solver had to stop before the sample was solved to rounding, else 0. */
  readonly breakdown: Tensor;
}

/** Solves M v = b for each sample of a batch. @param b right-hand sides, [B, ...M] */
export type LinearSolver = (product: Product, b: Tensor, options: SolverOptions) => Solution;

/**
 * A sample is solved when |r|^2 <= this |b|^2. A residual of 1e-12 is far below what float32 resolves, and far above
 * where p' M p underflows to zero, which would look like a breakdown.
 */
const SOLVED = 1e-24;

/** The |r|^2 at which a sample with |b|^2 = norm is solved, [B, 1, ...]. */
export function solvedBelow(norm: Tensor, tolerance = 0): Tensor {
  return mul(norm, Math.max(SOLVED, tolerance ** 2));
}

/** The |r|^2 relative to |b|^2 below which a residual is rounding: a solver that has to stop there has failed at nothing. */
const ROUNDING = 1e-10;

/** Of samples that had to stop, those whose |r|^2 was still to be reduced, 1 or 0. */
export function unsolved(stopped: Tensor, rho: Tensor, norm: Tensor): Tensor {
  return where(greater(rho, mul(norm, ROUNDING)), stopped, 0);
}

/** Scalar product of each sample, [B, 1, ...]. */
export function dot(a: Tensor, b: Tensor): Tensor {
  return sum(
    mul(a, b),
    a.shape.flatMap((_, axis) => (axis > 0 ? [axis] : [])),
    true,
  );
}

/** A solution's figures, [B] each. */
export function statusOf({ residual, steps, breakdown }: Solution): SolverStatus {
  const flat = (figure: Tensor) => reshape(figure, [-1]);
  return { residual: flat(residual), steps: flat(steps), breakdown: flat(breakdown) };
}
