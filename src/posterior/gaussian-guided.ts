import { sizeOf } from "../core/shape.ts";
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { add, sub } from "../graph/index.ts";
import { gaussianPrior } from "./heuristics.ts";
import type { Measurement } from "./posterior.ts";
import { conjugateGradient } from "./solvers/conjugate-gradient.ts";
import { equalize } from "./solvers/equalize.ts";
import { linearize } from "./solvers/linearize.ts";
import { multiplyNoise, noiseRank } from "./solvers/noise.ts";

/**
 * Solver steps. At small noise V is close to sigma_t^2 I, so a mask's system is solved after a few (its condition number
 * is at most 1 + sigma_t^2 over the Gaussian's smallest variance); none takes the network.
 */
const GUIDED_STEPS = 8;

/** Steps beyond the rank that solve a Gaussian's systems in float32; see `gaussianPosterior`. They need no network. */
const EXTRA_STEPS = 8;

/** Steps of conjugate gradients that solve the systems of a Gaussian prior. */
export function solvingSteps({ factor }: Gaussian, { y, variance }: Measurement): number {
  return Math.min(factor.shape[1]! + noiseRank(variance) + EXTRA_STEPS, 2 * sizeOf(y.shape.slice(1)) + 2);
}

/**
 * A denoiser for x given y without products with the denoiser's Jacobian: the covariance of a Gaussian prior,
 * V = (Sigma_x^-1 + Sigma_t^-1)^-1, stands for V[x | x_t] in the system and in front of it,
 *   x_hat + V A' (Sigma_y + A V A')^-1 (y - A x_hat),
 * which is exact for that prior [Rozet24, eq. 15-19]. At noise levels where V is nearly sigma_t^2 I whatever the prior, it
 * sets what is observed and leaves the rest to the denoiser; at larger ones it is no substitute for `mmps`.
 * Cost: one evaluation of the denoiser.
 * @param steps of conjugate gradients
 */
export function gaussianGuided(
  denoiser: Denoiser,
  given: Measurement,
  gaussian: Gaussian,
  steps = GUIDED_STEPS,
): Denoiser {
  const covariance = gaussianPrior(gaussian);
  return (x_t, sigma_t) => {
    const x_hat = denoiser(x_t, sigma_t);
    const measurement = equalize(given, x_hat, sigma_t);
    const local = linearize(measurement, x_hat);
    const V = covariance(sigma_t);
    const { companion } = conjugateGradient(
      (p) => {
        const spread = V(local.pull(p));
        return {
          product: add(multiplyNoise(measurement.variance, p), local.apply(spread)),
          companion: spread,
        };
      },
      sub(measurement.y, local.predicted),
      { steps, rolled: true },
    );
    return add(x_hat, companion);
  };
}
