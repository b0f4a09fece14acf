import { perSample } from "../diffusion/denoiser.ts";
import {
  add,
  and,
  cast,
  div,
  expand,
  greater,
  lessOrEqual,
  loop,
  mul,
  not,
  scalar,
  sqrt,
  sub,
  type Tensor,
  where,
} from "../graph/index.ts";
import { dot, type Product, type Solution, type SolverOptions, solvedBelow } from "./linear-system.ts";

export interface ConjugateGradientOptions extends SolverOptions {
  /** Run as a loop inside the engine; else unrolled, which lets steps share work. Default false. */
  readonly rolled?: boolean;
}

/**
 * A step that would leave a residual of more than sqrt(this) |b| is not taken. In exact arithmetic the residual stays
 * below sqrt(condition) |b|, so only systems that float32 cannot tell from singular ones get here.
 */
const LARGEST_RESIDUAL = 1e12;

/**
 * Where the curvature fails after the residual has fallen to rounding (sqrt(this) |b|), there is nothing left to solve:
 * the steps that remain are no breakdown.
 */
const ROUNDING = 1e-12;

/**
 * Conjugate gradients for a batch of systems, each with its own step sizes [Rozet24, algorithm 4; Hestenes52], for
 * symmetric positive definite M. v is a combination of the directions p_i, so the companion of v is the same combination
 * of those of the p_i: MMPS gets J' A' v from the products that the steps made anyway. A sample that is solved, or whose
 * p' M p is not positive (an imperfect Jacobian), keeps what it has from there on; no division by zero takes place.
 * With a preconditioner z = M^-1 r the steps are those of flexible conjugate gradients [Notay00].
 * @param product M p, with a companion
 * @param b right-hand sides, [B, ...M]
 */
export function conjugateGradient(product: Product, b: Tensor, options: ConjugateGradientOptions): Solution {
  const { steps, tolerance, preconditioner, rolled = false } = options;
  const norm = dot(b, b);
  const first = product(b);
  const p = preconditioner ? preconditioner(b) : b;
  const limits = { floor: solvedBelow(norm, tolerance), norm };
  const zeros = (like: Tensor) => expand(scalar(0), like.shape);
  let state: State = {
    v: zeros(b),
    companion: zeros(first.companion),
    r: b,
    p,
    rho: norm,
    slope: preconditioner ? dot(b, p) : norm,
    steps: zeros(norm),
    breakdown: zeros(norm),
  };
  if (rolled) {
    const keys = Object.keys(state) as (keyof State)[];
    const ended = loop(steps, Object.values(state), (_turn, states) => {
      const now = Object.fromEntries(keys.map((key, k) => [key, states[k]!])) as unknown as State;
      const next = advance(now, product(now.p), limits, preconditioner);
      return keys.map((key) => next[key]);
    });
    state = Object.fromEntries(keys.map((key, k) => [key, ended[k]!])) as unknown as State;
  } else {
    for (let k = 0; k < steps; k++) {
      const made = k === 0 && !preconditioner ? first : product(state.p);
      state = advance(state, made, limits, preconditioner);
    }
  }
  return {
    solution: state.v,
    companion: state.companion,
    residual: sqrt(div(state.rho, where(greater(norm, 0), norm, 1))),
    steps: state.steps,
    breakdown: state.breakdown,
  };
}

interface State {
  readonly v: Tensor;
  readonly companion: Tensor;
  readonly r: Tensor;
  readonly p: Tensor;
  /** r' r */
  readonly rho: Tensor;
  /** r' z, which is r' r without a preconditioner */
  readonly slope: Tensor;
  readonly steps: Tensor;
  readonly breakdown: Tensor;
}

interface Limits {
  /** The r' r at which a sample is solved. */
  readonly floor: Tensor;
  /** b' b */
  readonly norm: Tensor;
}

function advance(
  state: State,
  { product, companion }: ReturnType<Product>,
  { floor, norm }: Limits,
  preconditioner: SolverOptions["preconditioner"],
): State {
  const curvature = dot(state.p, product);
  const active = and(greater(state.rho, floor), not(greater(state.breakdown, 0)));
  const positive = and(greater(curvature, 0), greater(state.slope, 0));
  const step = where(positive, div(state.slope, where(positive, curvature, 1)), 0);
  const bounded = lessOrEqual(mul(mul(step, step), dot(product, product)), mul(norm, LARGEST_RESIDUAL));
  const sound = and(positive, bounded);
  const usable = and(active, sound);
  const alpha = where(usable, step, 0);
  const r = sub(state.r, mul(alpha, product));
  const rho = dot(r, r);
  const z = preconditioner ? preconditioner(r) : r;
  const slope = preconditioner ? dot(r, z) : rho;
  // z' (r - r_old) / slope_old: r_old' z is zero but for a preconditioner that differs from step to step.
  const turned = preconditioner ? sub(slope, dot(state.r, z)) : slope;
  const beta = where(usable, div(turned, where(usable, state.slope, 1)), 0);
  const unsolved = greater(state.rho, mul(norm, ROUNDING));
  const broke = and(active, and(not(sound), unsolved));
  return {
    v: add(state.v, mul(alpha, state.p)),
    companion: add(state.companion, mul(perSample(alpha, companion), companion)),
    r,
    p: add(z, mul(beta, state.p)),
    rho,
    slope,
    steps: add(state.steps, cast(active, "float32")),
    breakdown: add(state.breakdown, cast(broke, "float32")),
  };
}
