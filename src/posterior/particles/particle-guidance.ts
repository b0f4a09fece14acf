import type { Denoiser } from "../../diffusion/denoiser.ts";
import type { Guidance } from "../../diffusion/sampler-program.ts";
import {
  add,
  cast,
  div,
  equal,
  expand,
  greaterOrEqual,
  integers,
  log,
  loop,
  mul,
  reshape,
  scalar,
  sub,
  sum,
  type Tensor,
  transpose,
  where,
} from "../../graph/index.ts";
import type { Measurement } from "../posterior.ts";
import { twistTensors } from "./twist.ts";

/**
 * Guidance of particles [Wu23] by moment matching, with Tweedie's covariance V = sigma_t^2 J and S = Sigma_y + A V A':
 *   logTwist  ln N(y | A x_hat, S), less a constant        [Rozet24, eq. 19-21]
 *   mean      x_hat + V A' S^-1 (y - A x_hat)              [Rozet24, eq. 15]
 * S is dense and solved in float64 inside the engine.
 * Cost: one evaluation of the denoiser and a vector-Jacobian product for each of the M measurements.
 */
export function particleGuidance(
  denoiser: Denoiser,
  measurement: Measurement,
): (x_t: Tensor, sigma_t: Tensor) => Guidance {
  return (x_t, sigma_t) => {
    const { x_hat, residual, variance, pulled, spread } = twistTensors(denoiser, measurement, x_t, sigma_t);
    const rows = transpose(spread, [1, 0, 2]);
    const { solution, logDeterminant, quadratic } = solve(
      mul(add(rows, transpose(rows, [0, 2, 1])), 0.5),
      variance,
      residual,
    );
    const [M, B] = pulled.shape as [number, number, number];
    const weights = reshape(transpose(solution, [1, 0]), [M, B, 1]);
    const prior = reshape(x_hat, x_t.shape);
    return {
      prior,
      mean: add(prior, reshape(sum(mul(pulled, weights), [0]), x_t.shape)),
      logTwist: mul(add(quadratic, logDeterminant), -0.5),
    };
  };
}

/**
 * Gauss-Jordan elimination of [S | r], S = W + diag(d) with W symmetric, for a batch. No pivot is below its own d if W is a
 * covariance. Where one is below half of it, which rounding does not explain, the network's Jacobian tells nothing true of that
 * measurement, which then guides nothing: divided by so small a number it would send a particle in ten thousand far away.
 * @param W [B, M, M] @param d [B, M] @param r [B, M]
 */
function solve(
  W: Tensor,
  d: Tensor,
  r: Tensor,
): { readonly solution: Tensor; readonly logDeterminant: Tensor; readonly quadratic: Tensor } {
  const [B, M] = r.shape as [number, number];
  const entries = integers(Array.from({ length: M }, (_, m) => m));
  const [noise, right] = [cast(d, "float64"), cast(r, "float64")];
  const unit = cast(equal(reshape(entries, [M, 1]), reshape(entries, [1, M])), "float64");
  const S = add(cast(W, "float64"), mul(reshape(noise, [B, 1, M]), unit));
  const zero = cast(expand(scalar(0), [B]), "float64");
  const [, solution, logDeterminant] = loop(M, [S, right, zero], (j, states) => {
    const [matrix, vector, total] = states as [Tensor, Tensor, Tensor];
    const one = cast(equal(entries, j), "float64");
    const column = sum(mul(matrix, one), [2]);
    const at = (values: Tensor) => sum(mul(values, one), [1], true);
    const [found, least] = [at(column), at(noise)];
    const isCovariance = greaterOrEqual(add(found, found), least);
    const pivot = where(isCovariance, found, least);
    const usable = cast(isCovariance, "float64");
    const row = mul(usable, div(sum(mul(matrix, reshape(one, [M, 1])), [1]), pivot));
    const factor = reshape(sub(column, one), [B, M]);
    const value = mul(usable, div(at(vector), pivot));
    return [
      sub(matrix, mul(reshape(factor, [B, M, 1]), reshape(row, [B, 1, M]))),
      sub(vector, mul(factor, value)),
      add(total, reshape(log(pivot), [B])),
    ];
  }) as [Tensor, Tensor, Tensor];
  const single = (tensor: Tensor) => cast(tensor, "float32");
  return {
    solution: single(solution),
    logDeterminant: single(logDeterminant),
    quadratic: single(sum(mul(solution, right), [1])),
  };
}
