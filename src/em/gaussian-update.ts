import { EigenvalueDecomposition, Matrix, QrDecomposition } from "ml-matrix";
import { float32 } from "../core/array.ts";
import { NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { Arrays } from "../runtime/compile.ts";

/** Smallest variance of the residual: keeps the next iteration's systems solvable when the data are exactly of low rank. */
export const MIN_RESIDUAL = 1e-6;
/** Sums over observations, in float64. */
export class Moments {
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
export function maximize(
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
    .filter(({ value }) => value > 1e-9 * Math.max(small.values[0]!, 0));
  // Nothing stands out where the data vary less than the residual in every direction of the sketch, as small data do at first.
  if (kept.length === 0)
    return { gaussian: isotropic(old, delta, Math.max(trace / N, MIN_RESIDUAL)), basis: Q };
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

/** N(mean + delta, D I), with a factor of zeros. */
function isotropic({ mean, factor }: Gaussian, delta: Matrix, D: number): Gaussian {
  return {
    mean: float32(mean.data.map((value, i) => value + delta.get(i, 0))),
    diagonal: float32(new Float32Array(mean.data.length).fill(D)),
    factor: float32(new Float32Array(factor.data.length), factor.shape),
  };
}

/** Eigenvalues, largest first, and eigenvectors as columns. */
export function symmetricEigen(matrix: Matrix): { values: number[]; vectors: Matrix } {
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
export function orthonormal(columns: Matrix, width: number, rng: Rng): Matrix {
  const start = Matrix.zeros(columns.rows, width);
  for (let j = 0; j < width; j++) {
    const norm = j < columns.columns ? columns.getColumnVector(j).norm() : 0;
    for (let i = 0; i < columns.rows; i++)
      start.set(i, j, norm > 0 ? columns.get(i, j) / norm : rng.normal() / Math.sqrt(columns.rows));
  }
  return new QrDecomposition(start).orthogonalMatrix;
}
