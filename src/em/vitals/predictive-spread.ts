import type { HostArray } from "../../core/array.ts";
import type { Observations } from "../../data/observations/observations.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import { dotProduct } from "../../gaussian/dense.ts";
import { linearKind } from "../../gaussian/linear-observations.ts";
import { observedCovariance } from "../../gaussian/observed-covariance.ts";
import { gaussianModel } from "../../gaussian/sampler.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/**
 * How widely the draws of an E-step scatter, told by the measurements alone. If draws x_i follow the prior behind the
 * observations, then what another observation's operator makes of them must scatter as that observation's y does:
 *   spread = sum_i |A_i x_j + (y_i - A_i x_i) - A_i mean|^2_S / sum_i |y_i - A_i mean|^2_S,   j = i + n / 2 mod n,
 * with |r|^2_S = r' S_i^-1 r and S_i = A_i C A_i' + Sigma_y of the Gaussian start N(mean, C). Directions in which the data
 * hardly vary, such as fine texture, weigh as much as any other, so noise shows long before it is a large share of
 * the variance. Draws whose second moments are right give 1, whatever their distribution; y_i - A_i x_i stands for the
 * noise. Where all operators are the same nothing can be told, and 1 comes out.
 * @param start the first observation        @param x one draw for each observation from there on, [n, ...latent]
 * @returns undefined if there are fewer than two draws
 */
export async function predictiveSpread(
  observations: Observations,
  start: number,
  x: HostArray<"float32">,
  gaussian: Gaussian,
  engine: EngineOptions,
): Promise<number | undefined> {
  const n = x.shape[0]!;
  if (n < 2) return undefined;
  const model = gaussianModel(gaussian);
  const N = model.mean.length;
  const linear = await linearKind(observations, n, engine);
  let [observed, drawn] = [0, 0];
  try {
    for (let first = 0; first < n; first += linear.batchSize) {
      const end = Math.min(first + linear.batchSize, n);
      const batch = await linear.batch(await observations.read(start + first, start + end));
      const residual = await batch.residual(model.mean);
      const covariance = await observedCovariance(batch, model);
      // A x_j + (y - A x_i) - A mean, of another draw j: neighbouring observations may be alike.
      const moved = await batch.applyEach(
        Float64Array.from({ length: (end - first) * N }, (_, at) => {
          const own = first + Math.floor(at / N);
          const other = (own + Math.floor(n / 2)) % n;
          return x.data[other * N + (at % N)]! - x.data[own * N + (at % N)]!;
        }),
      );
      const predicted = residual.map((value, row) => value + moved[row]!);
      const squares = async (r: Float64Array) => dotProduct(await covariance.solve(r), r);
      observed += await squares(residual);
      drawn += await squares(predicted);
    }
  } finally {
    await linear.release();
  }
  return drawn / observed;
}
