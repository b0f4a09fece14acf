import { ConfigError } from "../../core/errors.ts";
import { check, oneOf, whole } from "../../core/kinds.ts";
import { MOST_SOLVER_STEPS } from "../../core/limits.ts";
import type { Tensor } from "../../graph/index.ts";
import type { PosteriorOptions } from "../posterior.ts";
import { conjugateGradient } from "./conjugate-gradient.ts";
import { gmres } from "./gmres.ts";
import {
  type LinearSolver,
  type Product,
  type Solution,
  type SolverOptions,
  statusOf,
} from "./linear-system.ts";

/** Solvers by name: `cg` for symmetric positive systems, `gmres` for any. */
export const SOLVERS = { cg: conjugateGradient, gmres } as const satisfies Record<string, LinearSolver>;
/** Names of the solvers. */
export type SolverName = keyof typeof SOLVERS;

/** How a posterior method solves for v in (Sigma_y + A V A') v = y - A x_hat. */
export interface SystemOptions extends PosteriorOptions {
  /** Solver. `gmres` does not need a symmetric Jacobian, and that of a network is not quite symmetric. Default `cg`. */
  readonly solver?: SolverName;
  /** Number of solver steps, one product with V each. Default 1, as in the paper for images. */
  readonly cgSteps?: number;
  /** A sample whose residual is at most this times |y - A x_hat| takes no further step. Default 0: all steps. */
  readonly tolerance?: number;
}

/**
 * Solves the system of a posterior method with the solver of its options, and tells its observer.
 * @throws ConfigError for a solver, number of steps or tolerance that does not exist
 */
export function solveSystem(
  product: Product,
  b: Tensor,
  { solver = "cg", cgSteps = 1, tolerance = 0, observe }: SystemOptions,
  preconditioner?: SolverOptions["preconditioner"],
): Solution {
  check(oneOf(Object.keys(SOLVERS)), solver, "posterior: solver");
  check(whole(0, MOST_SOLVER_STEPS), cgSteps, "posterior: cgSteps");
  if (!(tolerance >= 0)) throw new ConfigError(`posterior: tolerance must be >= 0, got ${tolerance}.`);
  const options = { steps: cgSteps, tolerance, ...(preconditioner && { preconditioner }) };
  const solution = SOLVERS[solver](product, b, options);
  observe?.(statusOf(solution));
  return solution;
}
