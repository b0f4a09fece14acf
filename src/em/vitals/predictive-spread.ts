import type { HostArray } from "../../core/array.ts";
import { kindsIn, type ObservationSet } from "../../data/observations/observation-set.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";
import { dotProduct } from "../../gaussian/dense.ts";
import { type LinearBatch, linearKind } from "../../gaussian/linear-observations.ts";
import { type GaussianModel, observedCovariance } from "../../gaussian/observed-covariance.ts";
import { gaussianModel } from "../../gaussian/sampler.ts";
import { batchesOf } from "../../inference/draw-source.ts";
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
  set: ObservationSet,
  start: number,
  x: HostArray<"float32">,
  gaussian: Gaussian,
  engine: EngineOptions,
): Promise<number | undefined> {
  const n = x.shape[0]!;
  if (n < 2) return undefined;
  const model = gaussianModel(gaussian);
  let [observed, drawn] = [0, 0];
  for (const own of kindsIn(set, [start, start + n])) {
    const linear = await linearKind(own.observations, own.numbers.length, engine, "solve");
    try {
      for (const [first, end] of batchesOf(own.range, linear.batchSize)) {
        const batch = await linear.batch(await own.observations.read(first, end));
        const numbers = own.numbers.subarray(first - own.range[0], end - own.range[0]);
        const moves = movesOf(
          x,
          numbers.map((number) => number - start),
        );
        const found = await squaresOf(batch, moves, model);
        observed += found.observed;
        drawn += found.drawn;
      }
    } finally {
      await linear.release();
    }
  }
  return drawn / observed;
}

/** x_j - x_i for each i of these, [n, N]: j is far away, since neighbouring observations may be alike. */
function movesOf({ data, shape }: HostArray<"float32">, numbers: Int32Array): Float64Array {
  const n = shape[0]!;
  const N = data.length / n;
  return Float64Array.from({ length: numbers.length * N }, (_, at) => {
    const own = numbers[Math.floor(at / N)]!;
    const other = (own + Math.floor(n / 2)) % n;
    return data[other * N + (at % N)]! - data[own * N + (at % N)]!;
  });
}

/** |y - A mean|^2_S, and |A x_j + (y - A x_i) - A mean|^2_S, over a batch. */
async function squaresOf(batch: LinearBatch, moves: Float64Array, model: GaussianModel) {
  const residual = await batch.residual(model.mean);
  const covariance = await observedCovariance(batch, model);
  const moved = await batch.applyEach(moves);
  const predicted = residual.map((value, row) => value + moved[row]!);
  const squares = async (r: Float64Array) => dotProduct(await covariance.solve(r), r);
  return { observed: await squares(residual), drawn: await squares(predicted) };
}
