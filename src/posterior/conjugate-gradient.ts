import { perSample } from "../diffusion/denoiser.ts";
import {
  add,
  and,
  cast,
  div,
  expand,
  greater,
  loop,
  mul,
  not,
  scalar,
  sqrt,
  sub,
  sum,
  type Tensor,
  where,
} from "../graph/index.ts";

/** A symmetric positive definite map M p, and a linear by-product of p that the caller wants of the solution too. */
export type Product = (p: Tensor) => { readonly product: Tensor; readonly companion: Tensor };

export interface Solution {
  /** v with M v = b approximately, [B, ...M]. */
  readonly solution: Tensor;
  /** The companion of v, gathered along the way. */
  readonly companion: Tensor;
  /** |b - M v| / |b| of each sample, [B, 1, ...]; 0 where b is 0. */
  readonly residual: Tensor;
  /** 1 where p' M p was not positive and the solver stopped before its last step, else 0, [B, 1, ...]. */
  readonly breakdown: Tensor;
}

/**
 * A sample is solved when |r|^2 <= this |b|^2. A residual of 1e-12 is far below what float32 resolves, and far above
 * where p' M p underflows to zero, which would look like a breakdown.
 */
const SOLVED = 1e-24;

/**
 * Conjugate gradients for a batch of systems, each with its own step sizes [Rozet24, algorithm 4; Hestenes52].
 * v is a combination of the directions p_i, so the companion of v is the same combination of those of the p_i: MMPS
 * gets J' A' v from the products that the steps made anyway. A sample whose p' M p is not positive (an imperfect
 * Jacobian), or whose residual is already nil, keeps what it has from there on; no division by zero takes place.
 * @param product M p, with a companion
 * @param b right-hand sides, [B, ...M]
 * @param steps number of products
 * @param rolled run as a loop inside the engine; else unrolled, which lets steps share work
 */
export function conjugateGradient(product: Product, b: Tensor, steps: number, rolled = false): Solution {
  const norm = dot(b, b);
  const first = product(b);
  const floor = mul(norm, SOLVED);
  const zeros = (like: Tensor) => expand(scalar(0), like.shape);
  let state: State = {
    v: zeros(b),
    companion: zeros(first.companion),
    r: b,
    p: b,
    rho: norm,
    breakdown: zeros(norm),
  };
  if (rolled) {
    const keys = Object.keys(state) as (keyof State)[];
    const ended = loop(steps, Object.values(state), (_turn, states) => {
      const now = Object.fromEntries(keys.map((key, k) => [key, states[k]!])) as unknown as State;
      const next = advance(now, product(now.p), floor);
      return keys.map((key) => next[key]);
    });
    state = Object.fromEntries(keys.map((key, k) => [key, ended[k]!])) as unknown as State;
  } else {
    for (let k = 0; k < steps; k++) state = advance(state, k === 0 ? first : product(state.p), floor);
  }
  const safe = where(greater(norm, 0), norm, 1);
  return {
    solution: state.v,
    companion: state.companion,
    residual: sqrt(div(state.rho, safe)),
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
  readonly breakdown: Tensor;
}

function advance(state: State, { product, companion }: ReturnType<Product>, floor: Tensor): State {
  const curvature = dot(state.p, product);
  const active = and(greater(state.rho, floor), not(greater(state.breakdown, 0)));
  const usable = and(greater(curvature, 0), active);
  const alpha = where(usable, div(state.rho, where(usable, curvature, 1)), 0);
  const r = sub(state.r, mul(alpha, product));
  const rho = dot(r, r);
  const beta = where(usable, div(rho, where(usable, state.rho, 1)), 0);
  const broke = cast(and(active, not(greater(curvature, 0))), "float32");
  return {
    v: add(state.v, mul(alpha, state.p)),
    companion: add(state.companion, mul(perSample(alpha, companion), companion)),
    r,
    p: add(r, mul(beta, state.p)),
    rho,
    breakdown: add(state.breakdown, broke),
  };
}

/** Scalar product of each sample, [B, 1, ...]. */
function dot(a: Tensor, b: Tensor): Tensor {
  return sum(
    mul(a, b),
    a.shape.flatMap((_, axis) => (axis > 0 ? [axis] : [])),
    true,
  );
}
