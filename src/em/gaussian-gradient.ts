/** The gradient of a Gaussian's likelihood, for small latents. */
import { Matrix } from "ml-matrix";
import { float32 } from "../core/array.ts";
import { NumericalError } from "../core/errors.ts";
import { sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import { identity, invert } from "../diffusion/gaussian.ts";
import { padRows } from "../diffusion/sample.ts";
import {
  add,
  concat,
  constant,
  expand,
  greater,
  input,
  matmul,
  maximum,
  mul,
  reshape,
  sub,
  sum,
  type Tensor,
  where,
} from "../graph/index.ts";
import { linearize } from "../posterior/linearize.ts";
import { multiplyNoise } from "../posterior/noise.ts";
import { type Arrays, compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { bindMeasurement, conditionArrays, conditionInputs, conditionShapes } from "./posterior.ts";

const BATCH = 512;
/** Bytes of observations that are kept in memory between iterations. */
const KEPT = 2 ** 26;

/** Means over observations, see `fitSmallGaussian`. */
export interface Gradient {
  /** [N], of the mean. */
  readonly g: Matrix;
  /** mean(A' B A), [N, N]. */
  readonly G: Matrix;
}

export async function sumGradient(
  program: Program,
  batches: () => AsyncIterable<Arrays>,
  mean: Float32Array,
  C: Matrix,
  count: number,
): Promise<Gradient> {
  const N = mean.length;
  const g = new Float64Array(N);
  const G = new Float64Array(N * N);
  const state = {
    mean: float32(mean, [1, N]),
    covariance: float32(Float32Array.from(C.to1DArray()), [N, N]),
  };
  for await (const batch of batches()) {
    const sums = await program.run({ ...batch, ...state });
    for (let i = 0; i < N; i++) g[i]! += Number(sums.g!.data[i]) / count;
    for (let i = 0; i < N * N; i++) G[i]! += Number(sums.G!.data[i]) / count;
  }
  if (!(g.every(Number.isFinite) && G.every(Number.isFinite)))
    throw new NumericalError(
      "Gaussian start: the moments are not finite. Check the observations' scale: diem expects values of order one.",
    );
  return { g: Matrix.columnVector(Array.from(g)), G: Matrix.from1DArray(N, N, G) };
}

/** A program from observations to sums of A' S^-1 r and A' B A; `weight` 0 leaves padding out. */
export async function compileGradient(observations: Observations, engine: EngineOptions): Promise<Program> {
  const { header } = observations;
  const N = sizeOf(header.latentShape);
  const M = sizeOf(header.observationShape);
  const conditions = conditionInputs(observations, BATCH);
  const mean = input([1, N]);
  const C = input([N, N]);
  const weight = input([BATCH, 1]);
  const measurement = bindMeasurement(observations, conditions);
  const centre = expand(reshape(mean, [1, ...header.latentShape]), [BATCH, ...header.latentShape]);
  const { predicted, pull } = linearize(measurement, centre);
  const units = Array.from({ length: M }, (_, m) => unit(header.observationShape, m));
  const row = (columns: number) => (v: Tensor) => reshape(v, [BATCH, 1, columns]);
  const A = concat(units.map(pull).map(row(N)), 1);
  const noise = concat(units.map((e) => multiplyNoise(measurement.variance, e)).map(row(M)), 1);
  const AC = reshape(matmul(reshape(A, [BATCH * M, N]), C), [BATCH, M, N]);
  const S_inverse = invert(regular(matmul(AC, A, { transB: true }), noise));
  const u = matmul(S_inverse, reshape(sub(measurement.y, predicted), [BATCH, M, 1]));
  const B = sub(matmul(u, u, { transB: true }), S_inverse);
  const BA = mul(matmul(B, A), reshape(weight, [BATCH, 1, 1]));
  const g = mul(reshape(matmul(u, A, { transA: true }), [BATCH, N]), weight);
  return await compile(
    {
      inputs: { ...conditions, mean, covariance: C, weight },
      outputs: {
        g: sum(g, [0]),
        G: matmul(reshape(A, [BATCH * M, N]), reshape(BA, [BATCH * M, N]), { transA: true }),
      },
    },
    engine,
  );
}

/**
 * Noise variances below this share of the mean variance of A x are taken as large as that: float32 cannot invert a matrix
 * of a greater condition number well enough. Such matrices come about where there are more measurements than latents, or
 * than directions in which the data vary.
 */
const LEAST_NOISE = 4e-6;

/** S = A C A' + Sigma_y, fit to be inverted in float32. @param signal, noise [B, M, M] */
function regular(signal: Tensor, noise: Tensor): Tensor {
  const M = signal.shape[1]!;
  const diagonal = identity(M);
  const least = mul(sum(mul(signal, diagonal), [1, 2], true), LEAST_NOISE / M);
  return add(signal, where(greater(diagonal, 0), maximum(noise, least), noise));
}

/** Unit vector m of the observations, for every sample of a batch. */
function unit(shape: readonly number[], m: number): Tensor {
  const one = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Number(i === m));
  return expand(constant(float32(one, [1, ...shape])), [BATCH, ...shape]);
}

/** The first `count` observations, batch by batch; read once if they are few. */
export function observationBatches(observations: Observations, count: number): () => AsyncIterable<Arrays> {
  const values = Object.values(conditionShapes(observations)).reduce(
    (total, shape) => total + sizeOf(shape),
    1,
  );
  const kept: Arrays[] | undefined = 4 * values * count <= KEPT ? [] : undefined;
  return async function* () {
    for (let start = 0, i = 0; start < count; start += BATCH, i++) {
      const batch = kept?.[i] ?? (await readBatch(observations, start, Math.min(start + BATCH, count)));
      if (kept) kept[i] = batch;
      yield batch;
    }
  };
}

async function readBatch(observations: Observations, start: number, end: number): Promise<Arrays> {
  const arrays = Object.entries(conditionArrays(await observations.read(start, end)));
  const weight = Float32Array.from({ length: BATCH }, (_, i) => Number(i < end - start));
  return {
    ...Object.fromEntries(arrays.map(([name, array]) => [name, padRows(array, BATCH)])),
    weight: float32(weight, [BATCH, 1]),
  };
}
