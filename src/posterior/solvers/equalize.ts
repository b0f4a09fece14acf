import { float32 } from "../../core/array.ts";
import { Rng } from "../../core/random.ts";
import { sizeOf } from "../../core/shape.ts";
import { perSample } from "../../diffusion/denoiser.ts";
import {
  add,
  constant,
  div,
  expand,
  greater,
  mul,
  reshape,
  sqrt,
  square,
  type Tensor,
  where,
} from "../../graph/index.ts";
import type { Measurement } from "../posterior.ts";
import { linearize } from "./linearize.ts";
import { noiseCovariance } from "./noise.ts";

/** Vectors of random signs by which A A' is probed: its diagonal need be known to a factor of two. */
const PROBES = 4;

/**
 * The same measurement with each entry in a unit of its own, so that all entries of what a posterior method solves are alike:
 *   w y = w A x + w n,  w^-2 = diag(Sigma_y + v A A'),  v = (1 + sigma_t^-2)^-1, V[x | x_t] of latents with unit variance.
 * A solver of a few steps works first where residuals are long: of areas of 1000 beside shares of .01 it would see the areas
 * alone. This is Jacobi's preconditioner, with residuals measured accordingly. The diagonal of A A' is E[(A s)^2] over random
 * signs s, exact for masks. One variance for all entries says that they have one unit: nothing changes.
 */
export function equalize(measurement: Measurement, x_hat: Tensor, sigma_t: Tensor): Measurement {
  const { operator, y, variance } = measurement;
  const { diagonal, factor } = noiseCovariance(variance);
  if (typeof diagonal === "number" || diagonal.shape.slice(1).every((size) => size === 1)) return measurement;
  const { apply } = linearize(measurement, x_hat);
  const squares = signs(x_hat).map((s) => square(apply(s)));
  const signal = mul(squares.reduce(add), 1 / PROBES);
  const noise = square(perSample(sigma_t, y));
  const total = add(diagonal, mul(signal, div(noise, add(noise, 1))));
  const weights = where(greater(total, 0), div(1, sqrt(total)), 1);
  const own = mul(diagonal, square(weights));
  return {
    ...measurement,
    operator: (x) => mul(operator(x), weights),
    y: mul(y, weights),
    variance: factor ? { diagonal: own, factor: mul(factor, reshape(weights, [y.shape[0]!, -1, 1])) } : own,
  };
}

/** Latents of -1 and 1, always the same. */
function signs({ shape }: Tensor): Tensor[] {
  const [, ...latent] = shape;
  return Array.from({ length: PROBES }, (_, k) => {
    const rng = new Rng(k);
    const values = Float32Array.from({ length: sizeOf(latent) }, () => (rng.uniform() < 0.5 ? -1 : 1));
    return expand(constant(float32(values, [1, ...latent])), shape);
  });
}
