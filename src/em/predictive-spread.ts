import { float32, type HostArray, rows } from "../core/array.ts";
import { sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import { type Gaussian, gaussianConstants, multiplyCovariance } from "../diffusion/gaussian.ts";
import { add, expand, input, mul, reshape, sub, sum, type Tensor } from "../graph/index.ts";
import { conjugateGradient } from "../posterior/conjugate-gradient.ts";
import { linearize } from "../posterior/linearize.ts";
import { multiplyNoise } from "../posterior/noise.ts";
import { compile } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { bindMeasurement, conditionArrays, conditionInputs, gaussianCgSteps } from "./posterior.ts";

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
  const conditions = conditionInputs(observations, n);
  const own = input(x.shape);
  const other = input(x.shape);
  const { mean, ...tensors } = gaussianConstants(gaussian);
  const { latentShape } = observations.header;
  const centre = expand(reshape(mean, [1, ...latentShape]), x.shape);
  const measurement = bindMeasurement(observations, conditions);
  const { predicted, apply, pull } = linearize(measurement, centre);
  const covariance = (p: Tensor) => {
    const pulled = reshape(pull(p), [-1, sizeOf(latentShape)]);
    const product = multiplyCovariance({ mean, ...tensors }, pulled);
    return {
      product: add(multiplyNoise(measurement.variance, p), apply(reshape(product, x.shape))),
      companion: p,
    };
  };
  const steps = gaussianCgSteps(observations, gaussian.factor.shape[1]!);
  const squares = (r: Tensor) =>
    sum(mul(r, conjugateGradient(covariance, r, { steps, rolled: true }).solution));
  const { operator, y } = measurement;
  const observed = squares(sub(y, predicted));
  const drawn = squares(sub(add(operator(other), sub(y, operator(own))), predicted));
  const program = await compile(
    { inputs: { own, other, ...conditions }, outputs: { observed, drawn } },
    engine,
  );
  try {
    const feeds = conditionArrays(await observations.read(start, start + n));
    const found = await program.run({ own: x, other: rotated(x), ...feeds });
    return Number(found.drawn!.data[0]) / Number(found.observed!.data[0]);
  } finally {
    await program.release();
  }
}

/** Rows moved by half their number: neighbouring observations may be alike. */
function rotated(x: HostArray<"float32">): HostArray<"float32"> {
  const n = x.shape[0]!;
  const half = Math.floor(n / 2);
  const data = new Float32Array(x.data.length);
  const moved = rows(x, half, n).data;
  data.set(moved);
  data.set(rows(x, 0, half).data, moved.length);
  return float32(data, x.shape);
}
