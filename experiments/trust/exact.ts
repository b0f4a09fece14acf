/** A truth as a prior that is known exactly. */
import { EigenvalueDecomposition } from "ml-matrix";
import { float32 } from "../../src/core/array.ts";
import type { Gaussian } from "../../src/diffusion/gaussian.ts";
import { mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import type { TrainConfig } from "../../src/em/config/config.ts";
import { buildNetwork } from "../../src/em/config/config.ts";
import { resolveSchedule } from "../../src/em/levels.ts";
import type { Model } from "../../src/inference/model.ts";
import { asMixture, type Component, momentsOfMixture } from "../battery/mixture.ts";
import type { Truth } from "../battery/truths.ts";

/**
 * The denoiser of a mixture, or of the Gaussian of the truth's moments, with the noise levels of a run.
 * @param mixture left out for the Gaussian
 * @param noise deviation of the noise, in the units of the latents
 */
export function exactModel(
  { components, latentShape }: Truth,
  { network, schedule }: TrainConfig,
  noise: number,
  mixture: readonly Component[] | undefined,
): Model {
  const gaussian = gaussianOf(momentsOfMixture(components));
  return {
    network: buildNetwork(network, latentShape),
    parameters: undefined,
    gaussian,
    base: "gaussian",
    schedule: resolveSchedule(schedule, gaussian, { unit: 1, noise }),
    ...(mixture && { denoiser: mixtureDenoiser(asMixture(mixture)) }),
  };
}

/** How little a latent that is known by heart is blurred: variance over that of the truth's narrowest component. */
const BLUR = 1 / 16;

/** A prior that knows latents by heart. @param latents row-major [n, N] */
export function byHeart({ components }: Truth, latents: Float32Array): Component[] {
  const N = components[0]!.mean.length;
  const n = latents.length / N;
  const narrowest = Math.min(...components.flatMap(({ variances }) => [...variances]));
  const variances = new Float64Array(N).fill(BLUR * narrowest);
  return Array.from({ length: n }, (_, i) => ({
    weight: 1 / n,
    mean: Float64Array.from(latents.subarray(i * N, (i + 1) * N)),
    variances,
  }));
}

/** N(mean, D I + U U') with the moments of a mixture: D is the smallest eigenvalue. */
function gaussianOf({ mean, covariance }: ReturnType<typeof momentsOfMixture>): Gaussian {
  const N = mean.length;
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(covariance, {
    assumeSymmetric: true,
  });
  const D = Math.max(1e-6, Math.min(...realEigenvalues));
  const factor = Float32Array.from({ length: N * N }, (_, at) => {
    const [j, a] = [Math.floor(at / N), at % N];
    return Math.sqrt(Math.max(0, realEigenvalues[a]! - D)) * eigenvectorMatrix.get(j, a);
  });
  return {
    mean: float32(Float32Array.from(mean)),
    diagonal: float32(new Float32Array(N).fill(D)),
    factor: float32(factor, [N, N]),
  };
}
