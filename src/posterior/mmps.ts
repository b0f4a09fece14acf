import { type Denoiser, perSample } from "../diffusion/denoiser.ts";
import { add, mul, square, sub, vjp } from "../graph/index.ts";
import { conjugateGradient } from "./conjugate-gradient.ts";
import type { Measurement } from "./posterior.ts";

export interface MmpsOptions {
  /** Conjugate-gradient steps; each costs one vector-Jacobian product. Default 1, as in the paper for images. */
  readonly cgSteps?: number;
}

/**
 * Moment matching posterior sampling [Rozet24, algorithm 3 with Tweedie's covariance]: a denoiser for x given y.
 *   x_hat = d(x_t),  J = d x_hat / d x_t,  V[x | x_t] = sigma_t^2 J                       (eq. 21)
 *   solve (Sigma_y + A sigma_t^2 J' A') v = y - A x_hat                                    (eq. 22-23)
 *   E[x | x_t, y] = x_hat + sigma_t^2 J' A' v                                              (eq. 15, 19)
 * The solver's steps already compute J' A' p for each direction p, so N steps cost N products in all. Nothing is
 * computed as a difference of near-equal terms, so float32 holds at both ends of the schedule.
 */
export function mmps(
  denoiser: Denoiser,
  { operator, y, variance }: Measurement,
  options: MmpsOptions = {},
): Denoiser {
  const { cgSteps = 1 } = options;
  return (x_t, sigma_t) => {
    const x_hat = denoiser(x_t, sigma_t);
    const predicted = operator(x_hat);
    const variance_t = square(perSample(sigma_t, x_t));
    const { companion } = conjugateGradient(
      (p) => {
        const pulled = mul(variance_t, vjp([predicted], [x_t], [p])[0]!);
        return { product: add(mul(p, variance), operator(pulled)), companion: pulled };
      },
      sub(y, predicted),
      cgSteps,
    );
    return add(x_hat, companion);
  };
}
