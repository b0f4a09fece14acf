import { float32, type HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { sizeOf } from "../../core/shape.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import type { Predictor } from "./predictor.ts";

/** Random signs behind the diagonal's part; it is exact where an operator only picks entries. */
const PROBES = 16;

/**
 * What the Gaussian start N(mean, D + U U') makes entries vary by: in what unit an error counts, since entries of y may
 * differ by orders of magnitude. With the columns u of U and random signs e,
 *   diag(A (D + U U') A') = sum over u of (A u)^2 + E[(A sqrt(D) e)^2],
 * where A v stands for A(mean + v) - A(mean) if A is not linear.
 * @returns variances without the noise's, [M] for each observation
 */
export async function priorVariances(
  predictor: Predictor,
  { mean, diagonal, factor }: Gaussian,
  rng: Rng,
): Promise<Float64Array[]> {
  const [N, r] = factor.shape as [number, number];
  const predictions = async (latent: Float32Array) => {
    const each: Float32Array[] = [];
    const all = repeatedLatent(latent, predictor.count, predictor.latentShape);
    for await (const { numbers, predicted } of predictor.predict(all)) {
      const M = sizeOf(predicted.shape.slice(1));
      for (const [i, number] of numbers.entries()) each[number] = predicted.data.slice(i * M, (i + 1) * M);
    }
    return each;
  };
  const centre = await predictions(mean.data);
  const variances = centre.map((own) => new Float64Array(own.length));
  const addSquares = async (step: (j: number) => number, weight: number) => {
    const moved = await predictions(mean.data.map((value, j) => value + step(j)));
    for (const [i, own] of moved.entries())
      for (let m = 0; m < own.length; m++) variances[i]![m]! += weight * (own[m]! - centre[i]![m]!) ** 2;
  };
  for (let a = 0; a < r; a++) await addSquares((j) => factor.data[j * r + a]!, 1);
  for (let p = 0; p < PROBES; p++) {
    const stream = rng.split(p);
    const signs = Int8Array.from({ length: N }, () => (stream.uniform() < 0.5 ? -1 : 1));
    await addSquares((j) => signs[j]! * Math.sqrt(diagonal.data[j]!), 1 / PROBES);
  }
  return variances;
}

function repeatedLatent(latent: Float32Array, count: number, shape: readonly number[]): HostArray<"float32"> {
  const all = new Float32Array(count * latent.length);
  for (let i = 0; i < count; i++) all.set(latent, i * latent.length);
  return float32(all, [count, ...shape]);
}
