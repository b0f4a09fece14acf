import { float32, type HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { sizeOf } from "../../core/shape.ts";
import { drawGaussian, type Gaussian } from "../../diffusion/gaussian.ts";
import type { Predictor } from "./predictor.ts";

/** Draws behind each variance: they only weigh entries, so a third of a deviation's error does no harm. */
const DRAWS = 16;

/**
 * What the Gaussian start N(mean, C) makes entries vary by, diag(A C A'), by draws of it: in what unit an error counts,
 * since entries of y may differ by orders of magnitude.
 * @returns variances without the noise's, [M] for each observation
 */
export async function priorVariances(
  predictor: Predictor,
  gaussian: Gaussian,
  rng: Rng,
): Promise<Float64Array[]> {
  const predictions = async (latent: Float32Array) => {
    const each: Float32Array[] = [];
    const all = repeatedLatent(latent, predictor.count, predictor.kind.header.latentShape);
    for await (const { first, predicted } of predictor.predict(all)) {
      const M = sizeOf(predicted.shape.slice(1));
      for (let i = 0; i < predicted.shape[0]!; i++)
        each[first + i] = predicted.data.slice(i * M, (i + 1) * M);
    }
    return each;
  };
  const centre = await predictions(gaussian.mean.data);
  const variances = centre.map((own) => new Float64Array(own.length));
  for (let p = 0; p < DRAWS; p++)
    for (const [i, own] of (await predictions(drawGaussian(gaussian, rng.split(p)))).entries())
      for (let m = 0; m < own.length; m++) variances[i]![m]! += (own[m]! - centre[i]![m]!) ** 2 / DRAWS;
  return variances;
}

function repeatedLatent(latent: Float32Array, count: number, shape: readonly number[]): HostArray<"float32"> {
  const all = new Float32Array(count * latent.length);
  for (let i = 0; i < count; i++) all.set(latent, i * latent.length);
  return float32(all, [count, ...shape]);
}
