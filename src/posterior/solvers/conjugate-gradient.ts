import { perSample } from "../../diffusion/denoiser.ts";
import {
  add,
  and,
  cast,
  div,
  expand,
  greater,
  greaterOrEqual,
  lessOrEqual,
  loop,
  maximum,
  mul,
  not,
  scalar,
  sqrt,
  sub,
  type Tensor,
  where,
} from "../../graph/index.ts";
import {
  dot,
  type Product,
  type Solution,
  type SolverOptions,
  solvedBelow,
  unsolved,
} from "./linear-system.ts";

/** Options of `conjugateGradient`. */
export interface ConjugateGradientOptions extends SolverOptions {
  /** Whether steps are a loop inside the engine. Otherwise they are unrolled, and may share work. Default false. */
  readonly rolled?: boolean;
}

/**
 * Condition number from which float32 cannot tell a system from a singular one: p' M p is then rounding error, which
 * averages to a little less than 2^-23. In exact arithmetic 1 / alpha lies between the extreme eigenvalues, so step sizes
 * differ by the condition number at most, and no residual exceeds sqrt(condition) |b|. A step beyond either is not taken.
 */
const LARGEST_CONDITION = 2 ** 27;

/**
 * Conjugate gradients for a batch of systems, each with its own step sizes [Rozet24, algorithm 4; Hestenes52], for
 * symmetric positive definite M. v is a combination of the directions p_i, so the companion of v is the same combination
 * of their companions: MMPS gets J' A' v from products that the steps make anyway.
 *
 * A sample stops, and keeps what it has, in three cases: it is solved; p' M p is not positive, or hardly so (M singular), so
 * nothing divides by zero; or p' S p < 0 for the learned part of M = D + S. A covariance has no negative variance along p, but
 * an imperfect Jacobian may have. Where that nearly cancels the noise p' D p, the step would be a thousand times too long.
 *
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
    stiffest: zeros(norm),
    stopped: zeros(norm),
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
    breakdown: unsolved(state.stopped, state.rho, norm),
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
  /** Largest 1 / alpha so far */
  readonly stiffest: Tensor;
  /** 1 where a step could not be taken */
  readonly stopped: Tensor;
}

interface Limits {
  /** The r' r at which a sample is solved. */
  readonly floor: Tensor;
  /** b' b */
  readonly norm: Tensor;
}

function advance(
  state: State,
  { product, companion, signal }: ReturnType<Product>,
  { floor, norm }: Limits,
  preconditioner: SolverOptions["preconditioner"],
): State {
  const curvature = dot(state.p, product);
  const active = and(greater(state.rho, floor), not(greater(state.stopped, 0)));
  const positive = greater(curvature, 0);
  const ahead = signal ? and(positive, greaterOrEqual(dot(state.p, signal), 0)) : positive;
  const downhill = preconditioner ? and(ahead, greater(state.slope, 0)) : ahead;
  const step = div(state.slope, where(downhill, curvature, 1));
  const bounded = and(
    lessOrEqual(mul(step, state.stiffest), LARGEST_CONDITION),
    lessOrEqual(mul(mul(step, step), dot(product, product)), mul(norm, LARGEST_CONDITION)),
  );
  const sound = and(downhill, bounded);
  const usable = and(active, sound);
  const alpha = where(usable, step, 0);
  const r = sub(state.r, mul(alpha, product));
  const rho = dot(r, r);
  const z = preconditioner ? preconditioner(r) : r;
  const slope = preconditioner ? dot(r, z) : rho;
  // z' (r - r_old) / slope_old: r_old' z is zero but for a preconditioner that differs from step to step.
  const turned = preconditioner ? sub(slope, dot(state.r, z)) : slope;
  const beta = where(usable, div(turned, where(usable, state.slope, 1)), 0);
  return {
    v: add(state.v, mul(alpha, state.p)),
    companion: add(state.companion, mul(perSample(alpha, companion), companion)),
    r,
    p: add(z, mul(beta, state.p)),
    rho,
    slope,
    steps: add(state.steps, cast(active, "float32")),
    stiffest: maximum(state.stiffest, div(cast(usable, "float32"), where(usable, alpha, 1))),
    stopped: add(state.stopped, cast(and(active, not(sound)), "float32")),
  };
}
