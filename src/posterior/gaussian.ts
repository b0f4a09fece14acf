import { sizeOf } from "../core/shape.ts";
import { type GaussianTensors, multiplyCovariance } from "../diffusion/gaussian.ts";
import { add, equal, expand, matmul, mul, reshape, sqrt, sub, type Tensor, where } from "../graph/index.ts";
import type { Measurement } from "./posterior.ts";
import { conjugateGradient } from "./solvers/conjugate-gradient.ts";
import { linearize } from "./solvers/linearize.ts";
import { colorNoise, multiplyNoise } from "./solvers/noise.ts";

/** Standard normal noise for one exact draw. */
export interface GaussianNoise {
  /** [B, r], for the factor. */
  readonly factor: Tensor;
  /** [B, N], for the diagonal. */
  readonly diagonal: Tensor;
  /** [B, ...M], for the observation. */
  readonly observation: Tensor;
  /** [B, r'], for the r' patterns of the observation's noise, if its covariance has any. */
  readonly patterns?: Tensor | undefined;
}

export interface GaussianPosterior {
  /** E[x | y], [B, ...]. */
  readonly mean: Tensor;
  /** x - E[x | y] for a draw x from p(x | y), [B, ...]. */
  readonly deviation: Tensor;
}

/**
 * Mean and one exact draw of p(x | y) under a Gaussian prior, without diffusion [Doucet10, Matheron's rule].
 * For a draw (x~, y~) from the joint distribution and S = A Sigma A' + Sigma_y,
 *   E[x | y] = mean + Sigma A' S^-1 (y - A mean),    x = x~ + Sigma A' S^-1 (y - y~)  ~  p(x | y).
 * If the operator is not linear, this is the posterior of its linearization at the prior's mean.
 * @param shape latent shape, without the batch
 * @param cgSteps conjugate-gradient steps per system. A matrix of M rows takes about 2 M. A mask takes rank + 4, if hidden entries
 *   of y are zero and the diagonal and the noise are uniform; fewer leave errors of any size.
 * @throws ShapeError if the noise has patterns and no numbers were drawn for them
 */
export function gaussianPosterior(
  gaussian: GaussianTensors,
  measurement: Measurement,
  noise: GaussianNoise,
  shape: readonly number[],
  cgSteps: number,
): GaussianPosterior {
  const { y, variance } = measurement;
  const full = [y.shape[0]!, ...shape];
  const N = sizeOf(shape);
  const centre = expand(reshape(gaussian.mean, [1, ...shape]), full);
  const colored = add(
    matmul(noise.factor, gaussian.factor, { transB: true }),
    mul(sqrt(gaussian.diagonal), noise.diagonal),
  );
  const prior = reshape(colored, full);
  const { predicted, apply, pull } = linearize(measurement, centre);
  const lift = (b: Tensor): Tensor => {
    const { companion } = conjugateGradient(
      (p) => {
        const pulled = reshape(pull(p), [-1, N]);
        const spread = reshape(multiplyCovariance(gaussian, pulled), full);
        return { product: add(multiplyNoise(variance, p), apply(spread)), companion: spread };
      },
      b,
      { steps: cgSteps, rolled: true },
    );
    return companion;
  };
  const simulated = apply(prior);
  // Entries that A never reads (hidden by a mask) are exactly zero here, and else are not, almost surely. Noise there
  // would not reach x, but the solver would have to fit it, in a system that it makes 1e5 times worse conditioned.
  const observationNoise = where(equal(simulated, 0), 0, colorNoise(variance, noise));
  // y - y~ = (y - A mean) - (A (x~ - mean) + noise): the two systems share their matrix and separate by linearity.
  return {
    mean: add(centre, lift(sub(y, predicted))),
    deviation: sub(prior, lift(add(simulated, observationNoise))),
  };
}
