import { type Denoiser, perSample } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { add, mul, square, sub, type Tensor, vjp } from "../graph/index.ts";
import { solvingSteps } from "./gaussian-guided.ts";
import { gaussianPrior, observedCovariance } from "./heuristics.ts";
import type { Measurement } from "./posterior.ts";
import { conjugateGradient } from "./solvers/conjugate-gradient.ts";
import { equalize } from "./solvers/equalize.ts";
import { type Linearization, linearize } from "./solvers/linearize.ts";
import { multiplyNoise } from "./solvers/noise.ts";
import { type SystemOptions, solveSystem } from "./solvers/solver.ts";

export interface MmpsOptions extends SystemOptions {
  /** A Gaussian near the prior. Its system needs no network, and preconditions that of the denoiser. Default: none. */
  readonly preconditioner?: Gaussian;
}

/**
 * Moment matching posterior sampling [Rozet24, algorithm 3 with Tweedie's covariance]: a denoiser for x given y.
 *   x_hat = d(x_t),  J = d x_hat / d x_t,  V[x | x_t] = sigma_t^2 J                       (eq. 21)
 *   solve (Sigma_y + A sigma_t^2 J' A') v = y - A x_hat                                    (eq. 22-23)
 *   E[x | x_t, y] = x_hat + sigma_t^2 J' A' v                                              (eq. 15, 19)
 * An operator that is not linear is linearized at x_hat. The solver's steps compute J' A' p for each direction p, and J' A' v is
 * a combination of these, so N steps cost N products in all. No step subtracts near-equal terms, so float32 is enough at both
 * ends of the schedule.
 */
export function mmps(denoiser: Denoiser, given: Measurement, options: MmpsOptions = {}): Denoiser {
  const { preconditioner } = options;
  return (x_t, sigma_t) => {
    const x_hat = denoiser(x_t, sigma_t);
    const measurement = equalize(given, x_hat, sigma_t);
    const { y, variance } = measurement;
    const local = linearize(measurement, x_hat);
    const variance_t = square(perSample(sigma_t, x_t));
    const { companion } = solveSystem(
      (p) => {
        const pulled = mul(variance_t, vjp([local.predicted], [x_t], [p])[0]!);
        const signal = local.apply(pulled);
        return { product: add(multiplyNoise(variance, p), signal), companion: pulled, signal };
      },
      sub(y, local.predicted),
      options,
      preconditioner && gaussianPreconditioner(preconditioner, local, measurement, sigma_t),
    );
    return add(x_hat, companion);
  };
}

/** r -> (Sigma_y + H V H')^-1 r with V = (Sigma_x^-1 + Sigma_t^-1)^-1 of the Gaussian, by conjugate gradients. */
function gaussianPreconditioner(
  gaussian: Gaussian,
  local: Linearization,
  measurement: Measurement,
  sigma_t: Tensor,
): (r: Tensor) => Tensor {
  const product = observedCovariance(local, measurement.variance, gaussianPrior(gaussian)(sigma_t));
  const steps = solvingSteps(gaussian, measurement);
  return (r) => conjugateGradient(product, r, { steps, rolled: true }).solution;
}
