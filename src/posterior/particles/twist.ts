import { choleskySolve } from "../../core/cholesky.ts";
import { ConfigError } from "../../core/errors.ts";
import { sizeOf } from "../../core/shape.ts";
import { type Denoiser, perSample } from "../../diffusion/denoiser.ts";
import {
  add,
  cast,
  equal,
  expand,
  integers,
  mul,
  reshape,
  scalar,
  scan,
  square,
  sub,
  type Tensor,
  vjp,
} from "../../graph/index.ts";
import type { Measurement } from "../posterior.ts";
import { linearize } from "../solvers/linearize.ts";
import { multiplyFactor, noiseCovariance } from "../solvers/noise.ts";

/**
 * Measurements that a twisting function takes at most: it needs M vector-Jacobian products and an M x M matrix for
 * each particle and step, M^3 / 3 operations to factorize it, and M x N numbers to guide the particle.
 */
export const MAX_MEASUREMENTS = 256;

/** What the twisting function needs of a batch of particles, as tensors. */
export interface TwistTensors {
  /** E[x | x_t], [B, N]. */
  readonly x_hat: Tensor;
  /** y - A(x_hat), [B, M]. */
  readonly residual: Tensor;
  /** d of Sigma_y = diag(d) + L L', [B, M]. */
  readonly variance: Tensor;
  /** sigma_t^2 J' A' e_m for each measurement m, [M, B, N]. */
  readonly pulled: Tensor;
  /** A sigma_t^2 J' A' e_m + L L' e_m, [M, B, M]. */
  readonly spread: Tensor;
}

/**
 * The dense covariance A V A' of the measurement at x_t, with Tweedie's V = sigma_t^2 J [Rozet24, eq. 21], row by row
 * from M vector-Jacobian products, run as one loop in the engine that shares a single evaluation of the denoiser.
 * @throws ConfigError if there are more than `MAX_MEASUREMENTS`
 */
export function twistTensors(
  prior: Denoiser,
  measurement: Measurement,
  x_t: Tensor,
  sigma_t: Tensor,
): TwistTensors {
  const { y } = measurement;
  const { diagonal, factor } = noiseCovariance(measurement.variance);
  const [B, ...observationShape] = y.shape as [number, ...number[]];
  const M = sizeOf(observationShape);
  if (M > MAX_MEASUREMENTS)
    throw new ConfigError(
      `twisted sampling: at most ${MAX_MEASUREMENTS} measurements expected, found ${M}. Each particle would need ${M} vector-Jacobian products and a dense ${M} x ${M} covariance a step. If a mask hides many of them, leave those out (the option visible of compileTwisted); else use the posterior method "mmps", which solves for it in a few products.`,
    );
  const N = sizeOf(x_t.shape.slice(1));
  const x_hat = prior(x_t, sigma_t);
  const { predicted, apply, pull } = linearize(measurement, x_hat);
  const variance_t = square(perSample(sigma_t, x_t));
  const entries = integers(Array.from({ length: M }, (_, m) => m));
  const { stacked } = scan(M, [], (m) => {
    const unit = reshape(cast(equal(entries, m), "float32"), [1, ...observationShape]);
    const row = expand(unit, y.shape);
    const pulled = mul(variance_t, vjp([x_hat], [x_t], [pull(row)])[0]!);
    const spread = factor ? add(apply(pulled), multiplyFactor(factor, row)) : apply(pulled);
    return { states: [], stacked: [reshape(pulled, [B, N]), reshape(spread, [B, M])] };
  });
  const full = expand(typeof diagonal === "number" ? scalar(diagonal) : diagonal, y.shape);
  return {
    x_hat: reshape(x_hat, [B, N]),
    residual: reshape(sub(y, predicted), [B, M]),
    variance: reshape(full, [B, M]),
    pulled: stacked[0]!,
    spread: stacked[1]!,
  };
}

/** The values of `TwistTensors`. */
export type TwistArrays = Readonly<Record<keyof TwistTensors, Float32Array>>;

export interface Twist {
  /** ln N(y | A x_hat, Sigma_y + A V A'). */
  readonly logDensity: number;
  /** v with (Sigma_y + A V A') v = y - A x_hat; E[x | x_t, y] - x_hat = V A' v. */
  readonly solution: Float64Array;
  /** Whether the covariance was not positive definite in float32 and had to be widened. */
  readonly widened: boolean;
}

/** Pivots relative to the diagonal: the products come in float32, and resolve nothing below. */
const FLOOR = 1e-6;

/**
 * The twisting function ln N(y | A x_hat, Sigma_y + A V A') of one particle, in float64. A network's Jacobian is not
 * quite symmetric, so A V A' is replaced by its symmetric part.
 * @param arrays values for a batch of B particles
 */
export function twist(arrays: TwistArrays, particle: number, B: number): Twist {
  const M = arrays.residual.length / B;
  const spread = (i: number, j: number) => arrays.spread[(i * B + particle) * M + j]!;
  const S = new Float64Array(M * M);
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < i; j++) S[i * M + j] = (spread(i, j) + spread(j, i)) / 2;
    S[i * M + i] = spread(i, i) + arrays.variance[particle * M + i]!;
  }
  const residual = arrays.residual.subarray(particle * M, (particle + 1) * M);
  const { solution, quadratic, logDeterminant, rank, floored } = choleskySolve(S, residual, FLOOR);
  const logDensity = -0.5 * (quadratic + logDeterminant + rank * Math.log(2 * Math.PI));
  return { logDensity, solution, widened: floored > 0 };
}

/** V A' v = sum_m v_m sigma_t^2 J' A' e_m of one particle, added to `out` [N]. */
export function guide(
  pulled: Float32Array,
  solution: Float64Array,
  particle: number,
  B: number,
  out: Float64Array,
): void {
  const N = out.length;
  for (const [m, v] of solution.entries()) {
    const start = (m * B + particle) * N;
    for (let i = 0; i < N; i++) out[i] = out[i]! + v * pulled[start + i]!;
  }
}
