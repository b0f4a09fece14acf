import { EigenvalueDecomposition, Matrix, QrDecomposition } from "ml-matrix";
import { float32, type HostArray } from "../core/array.ts";
import { AbortedError, NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { concat, input, matmul, mul, reshape, square, sub, sum } from "../graph/index.ts";
import { gaussianPosterior } from "../posterior/gaussian.ts";
import { type Arrays, compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { StartConfig } from "./config.ts";
import type { Watch } from "./events.ts";
import { gaussianNoise } from "./gaussian-draws.ts";
import { bindMeasurement, conditionArrays, conditionShapes, gaussianCgSteps } from "./posterior.ts";

/** Extra directions that the range of the covariance is sketched with, beyond the rank asked for. */
const OVERSAMPLING = 8;
/** Smallest variance of the residual: keeps the next iteration's systems solvable when the data are exactly of low rank. */
const MIN_RESIDUAL = 1e-6;
const BATCH = 256;

/**
 * Fits N(mean, D I + U U') to observations by EM [Rozet24, section 4.1], U of rank r (PPCA [Tipping99]).
 * E-step: the exact posterior mean m_i of each latent and one exact deviation e_i (`gaussianPosterior`), whose
 * moments give the expected covariance   S = mean(m m') + mean(e e') about the new mean.
 * M-step: mean <- mean(m_i), U U' <- top r eigenpairs of S less D, D <- mean of the rest. The eigenpairs come from a
 * one-pass sketch (S Q for an orthonormal Q, [Halko11]) with Q carried from iteration to iteration, so nothing of
 * size N x N is ever formed and memory does not grow with the number of observations.
 */
export async function fitGaussian(
  observations: Observations,
  config: StartConfig,
  rng: Rng,
  engine: EngineOptions = {},
  watch: Watch = {},
): Promise<Gaussian> {
  const { header } = observations;
  const N = sizeOf(header.latentShape);
  const rank = Math.min(config.rank, Math.max(N - 1, 1));
  const width = Math.min(rank + OVERSAMPLING, N);
  const program = await compileMoments(header, rank, width, engine);
  const count = Math.min(config.observations, observations.count);
  let gaussian: Gaussian = {
    mean: float32(new Float32Array(N)),
    diagonal: float32(new Float32Array(N).fill(1)),
    factor: float32(new Float32Array(N * rank), [N, rank]),
  };
  let Q = orthonormal(Matrix.zeros(N, 0), width, rng.split("sketch", 0));
  try {
    for (let k = 1; k <= config.iterations; k++) {
      const moments = new Moments(N, width);
      for (let start = 0; start < count; start += BATCH) {
        if (watch.signal?.aborted) throw new AbortedError("the Gaussian start was stopped.");
        const end = Math.min(start + BATCH, count);
        const feeds = await momentFeeds(observations, start, end, gaussian, Q, rng);
        moments.add(await program.run(feeds), end - start);
        const total = config.iterations * count;
        const done = (k - 1) * count + end;
        watch.onEvent?.({
          stage: "Gaussian start",
          iteration: 0,
          iterations: 0,
          done,
          total,
          unit: "images",
        });
      }
      const update = maximize(gaussian, moments, Q, rank);
      gaussian = update.gaussian;
      Q = orthonormal(update.basis, width, rng.split("sketch", k));
    }
  } finally {
    await program.release();
  }
  return gaussian;
}

type Header = Observations["header"];

/** A program from observations to sums of moments about the current mean; `weight` 0 leaves padding out. */
async function compileMoments(
  header: Header,
  rank: number,
  width: number,
  engine: EngineOptions,
): Promise<Program> {
  const N = sizeOf(header.latentShape);
  const conditions = Object.fromEntries(
    Object.entries(conditionShapes(header)).map(([name, shape]) => [name, input([BATCH, ...shape])]),
  );
  const gaussian = { mean: input([1, N]), diagonal: input([1, N]), factor: input([N, rank]) };
  const noise = {
    factor: input([BATCH, rank]),
    diagonal: input([BATCH, N]),
    observation: input([BATCH, ...header.observationShape]),
  };
  const basis = input([N, width]);
  const weight = input([BATCH, 1]);
  const measurement = bindMeasurement(header, conditions);
  const { mean, deviation } = gaussianPosterior(
    gaussian,
    measurement,
    noise,
    header.latentShape,
    gaussianCgSteps(header, rank),
  );
  const shift = mul(sub(reshape(mean, [BATCH, N]), gaussian.mean), weight);
  const X = concat([shift, mul(reshape(deviation, [BATCH, N]), weight)], 0);
  const XQ = matmul(X, basis);
  return await compile(
    {
      inputs: {
        ...conditions,
        mean: gaussian.mean,
        diagonal: gaussian.diagonal,
        factor: gaussian.factor,
        noiseFactor: noise.factor,
        noiseDiagonal: noise.diagonal,
        noiseObservation: noise.observation,
        basis,
        weight,
      },
      outputs: {
        shift: sum(shift, [0]),
        sketch: matmul(X, XQ, { transA: true }),
        trace: sum(square(X)),
      },
    },
    engine,
  );
}

async function momentFeeds(
  observations: Observations,
  start: number,
  end: number,
  gaussian: Gaussian,
  Q: Matrix,
  rng: Rng,
): Promise<Arrays> {
  const { header } = observations;
  const N = gaussian.mean.data.length;
  const rank = gaussian.factor.shape[1]!;
  const count = end - start;
  const shapes = { noiseFactor: [rank], noiseDiagonal: [N], noiseObservation: header.observationShape };
  const conditions = Object.entries(conditionArrays(await observations.read(start, end))).map(
    ([name, array]) => [name, padded(array)] as const,
  );
  return {
    ...Object.fromEntries(conditions),
    mean: float32(gaussian.mean.data, [1, N]),
    diagonal: float32(gaussian.diagonal.data, [1, N]),
    factor: gaussian.factor,
    // The same noise in every iteration, so the fit converges to a point instead of wandering around it.
    ...gaussianNoise(shapes, start, count, (index) => rng.split("start", index), BATCH),
    basis: float32(Float32Array.from(Q.to1DArray()), [N, Q.columns]),
    weight: float32(
      Float32Array.from({ length: BATCH }, (_, i) => Number(i < count)),
      [BATCH, 1],
    ),
  };
}

/** Zero-padding up to the batch, but ones for variances: their rows have weight 0 and must only stay finite. */
function padded(array: HostArray<"float32">): HostArray<"float32"> {
  const shape = array.shape.slice(1);
  const out = new Float32Array(BATCH * sizeOf(shape)).fill(1);
  out.set(array.data);
  return float32(out, [BATCH, ...shape]);
}

/** Sums over observations, in float64. */
class Moments {
  count = 0;
  trace = 0;
  readonly shift: Float64Array;
  readonly sketch: Float64Array;

  constructor(features: number, width: number) {
    this.shift = new Float64Array(features);
    this.sketch = new Float64Array(features * width);
  }

  add(sums: Arrays, count: number): void {
    const shift = sums.shift!.data as Float32Array;
    const sketch = sums.sketch!.data as Float32Array;
    for (let i = 0; i < shift.length; i++) this.shift[i]! += shift[i]!;
    for (let i = 0; i < sketch.length; i++) this.sketch[i]! += sketch[i]!;
    this.trace += Number(sums.trace!.data[0]);
    this.count += count;
  }
}

/** The M-step. With S Q known and S = F + D I, F of low rank is (S - D) Q (Q' (S - D) Q)^-1 Q' (S - D) (Nystrom). */
function maximize(
  old: Gaussian,
  moments: Moments,
  Q: Matrix,
  rank: number,
): { gaussian: Gaussian; basis: Matrix } {
  const N = old.mean.data.length;
  const n = moments.count;
  const delta = Matrix.columnVector(Array.from(moments.shift, (value) => value / n));
  const residual = old.diagonal.data[0]!;
  const sketch = Matrix.from1DArray(
    N,
    Q.columns,
    Array.from(moments.sketch, (value) => value / n),
  );
  const SQ = sketch.sub(delta.mmul(delta.transpose().mmul(Q)));
  const trace = moments.trace / n - delta.norm() ** 2;
  if (!Number.isFinite(trace))
    throw new NumericalError(
      "Gaussian start: the moments are not finite. Check the observations' scale: diem expects values of order one.",
    );
  const B = SQ.sub(Matrix.mul(Q, residual));
  const small = symmetricEigen(Q.transpose().mmul(B));
  const kept = small.values
    .map((value, k) => ({ value, k }))
    .filter(({ value }) => value > 1e-9 * small.values[0]!);
  const scaled = B.mmul(
    Matrix.from1DArray(
      Q.columns,
      kept.length,
      Array.from({ length: Q.columns * kept.length }, (_, i) => {
        const { value, k } = kept[i % kept.length]!;
        return small.vectors.get(Math.floor(i / kept.length), k) / Math.sqrt(value);
      }),
    ),
  );
  const large = symmetricEigen(scaled.transpose().mmul(scaled));
  const basis = scaled.mmul(large.vectors);
  const values = large.values.slice(0, rank);
  const explained = values.reduce((total, value) => total + value + residual, 0);
  const D = Math.max((trace - explained) / Math.max(N - values.length, 1), MIN_RESIDUAL);
  const factor = new Float32Array(N * rank);
  values.forEach((value, k) => {
    const scale = Math.sqrt(Math.max(value + residual - D, 0) / value);
    for (let i = 0; i < N; i++) factor[i * rank + k] = basis.get(i, k) * scale;
  });
  return {
    gaussian: {
      mean: float32(old.mean.data.map((value, i) => value + delta.get(i, 0))),
      diagonal: float32(new Float32Array(N).fill(D)),
      factor: float32(factor, [N, rank]),
    },
    basis,
  };
}

/** Eigenvalues, largest first, and eigenvectors as columns. */
function symmetricEigen(matrix: Matrix): { values: number[]; vectors: Matrix } {
  const symmetric = Matrix.add(matrix, matrix.transpose()).mul(0.5);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric, {
    assumeSymmetric: true,
  });
  const order = realEigenvalues.map((_, k) => k).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  return {
    values: order.map((k) => realEigenvalues[k]!),
    vectors: eigenvectorMatrix.subMatrixColumn(order),
  };
}

/** An orthonormal basis of `width` columns: those given, and random ones after them. */
function orthonormal(columns: Matrix, width: number, rng: Rng): Matrix {
  const start = Matrix.zeros(columns.rows, width);
  for (let j = 0; j < width; j++) {
    const norm = j < columns.columns ? columns.getColumnVector(j).norm() : 0;
    for (let i = 0; i < columns.rows; i++)
      start.set(i, j, norm > 0 ? columns.get(i, j) / norm : rng.normal() / Math.sqrt(columns.rows));
  }
  return new QrDecomposition(start).orthogonalMatrix;
}
