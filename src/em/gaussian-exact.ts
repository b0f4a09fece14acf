import { Matrix } from "ml-matrix";
import { float32 } from "../core/array.ts";
import { AbortedError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { StartConfig } from "./config.ts";
import { compileGradient, type Gradient, observationBatches, sumGradient } from "./gaussian-gradient.ts";
import type { FitOptions } from "./gaussian-start.ts";
import { MIN_RESIDUAL, symmetricEigen } from "./gaussian-update.ts";

/** Largest problems whose covariances [N, N] and systems [M, M] are formed: beyond, sketches and iterations are cheaper. */
const SMALL = { latents: 64, measurements: 16 } as const;
/** Length of a step, in steps of EM. Below 2 it converges wherever EM does [Redner84], here about twice as fast. */
const OVERRELAXATION = 1.8;
/**
 * Relative change in an iteration at which the fit is done. EM is slow where little is measured: what
 * is left then is a hundred times that, and still small beside what 20 000 observations leave open.
 */
const SETTLED = 1e-4;

/** Whether observations are small enough for `fitSmallGaussian`. */
export function isSmall({ latentShape, observationShape }: Observations["header"]): boolean {
  return sizeOf(latentShape) <= SMALL.latents && sizeOf(observationShape) <= SMALL.measurements;
}

/**
 * The fit of `fitLargeGaussian` for small latents, with the expected covariance in closed form. With residuals r = y - A mean,
 * S = A C A' + Sigma_y, B = S^-1 r r' S^-1 - S^-1, and means over observations
 *   g = mean(A' S^-1 r),   G = mean(A' B A) - g g'
 * EM's step is mean <- mean + C g, C <- C + C G C = C^1/2 (I + K) C^1/2 with K = C^1/2 G C^1/2 >= -I. It is taken
 * longer by `OVERRELAXATION` (a): eigenvalues k > 0 of K give 1 + a k and others exp(a k), which keeps C positive. The
 * rank is taken as in `maximize`. One draw for each observation in place of the closed form would not do here: EM is slow
 * where little is measured, and adds the draws' error up over as many iterations as it takes.
 */
export async function fitSmallGaussian(
  observations: Observations,
  config: StartConfig,
  engine: EngineOptions,
  { from, checkpoint, signal, onEvent }: FitOptions,
): Promise<Gaussian> {
  const N = sizeOf(observations.header.latentShape);
  const rank = Math.min(config.rank, Math.max(N - 1, 1));
  const count = Math.min(config.observations, observations.count);
  const batches = observationBatches(observations, count);
  const program = await compileGradient(observations, engine);
  let gaussian = from?.gaussian ?? {
    mean: float32(new Float32Array(N)),
    diagonal: float32(new Float32Array(N).fill(1)),
    factor: float32(new Float32Array(N * rank), [N, rank]),
  };
  try {
    for (let k = (from?.iteration ?? 0) + 1; k <= config.iterations; k++) {
      if (signal?.aborted) throw new AbortedError("the Gaussian start was stopped. Continue with --resume.");
      const C = covariance(gaussian);
      const gradient = await sumGradient(program, batches, gaussian.mean.data, C, count);
      const next = step(gaussian.mean.data, C, gradient, rank);
      gaussian = next.gaussian;
      const settled = next.change < SETTLED;
      const done = settled ? config.iterations : k;
      const progress = { done: done * count, total: config.iterations * count, unit: "images" } as const;
      onEvent?.({ stage: "Gaussian start", iteration: 0, iterations: 0, ...progress });
      if (settled) break;
      await checkpoint?.({ iteration: k, gaussian });
    }
  } finally {
    await program.release();
  }
  return gaussian;
}

/** A step from N(mean, C), and how much it changed, relative to the covariance and to the data's extent. */
function step(
  mean: Float32Array,
  C: Matrix,
  { g, G }: Gradient,
  rank: number,
): { gaussian: Gaussian; change: number } {
  const N = C.rows;
  const root = symmetricFunction(C, (value) => Math.sqrt(Math.max(value, 0)));
  const K = root.mmul(G.sub(g.mmul(g.transpose()))).mmul(root);
  const grown = symmetricFunction(K, (k) => (k > 0 ? 1 + OVERRELAXATION * k : Math.exp(OVERRELAXATION * k)));
  const { values, vectors } = symmetricEigen(root.mmul(grown).mmul(root));
  const rest = values.slice(rank);
  const D = Math.max(
    rest.reduce((total, value) => total + value, 0) / Math.max(rest.length, 1),
    MIN_RESIDUAL,
  );
  const factor = Float32Array.from(
    { length: N * rank },
    (_, i) => vectors.get(Math.floor(i / rank), i % rank) * Math.sqrt(Math.max(values[i % rank]! - D, 0)),
  );
  const shift = C.mmul(g);
  const gaussian = {
    mean: float32(mean.map((value, i) => value + shift.get(i, 0))),
    diagonal: float32(new Float32Array(N).fill(D)),
    factor: float32(factor, [N, rank]),
  };
  const change = Matrix.sub(covariance(gaussian), C).norm() / C.norm();
  return { gaussian, change: Math.max(change, shift.norm() / Math.sqrt(C.trace())) };
}

/** Sigma = diag(d) + U U' in float64. */
function covariance({ diagonal, factor }: Gaussian): Matrix {
  const U = Matrix.from1DArray(factor.shape[0]!, factor.shape[1]!, factor.data);
  return U.mmul(U.transpose()).add(Matrix.diag(Array.from(diagonal.data)));
}

/** f(S) of a symmetric matrix, by its eigenvalues. */
function symmetricFunction(S: Matrix, f: (value: number) => number): Matrix {
  const { values, vectors } = symmetricEigen(S);
  return vectors.mmul(Matrix.diag(values.map(f))).mmul(vectors.transpose());
}
