import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { expectShape, sizeOf } from "../core/shape.ts";
import {
  add,
  constant,
  div,
  equal,
  gather,
  integers,
  loop,
  matmul,
  mul,
  reshape,
  slice,
  sub,
  type Tensor,
  transpose,
  where,
} from "../graph/index.ts";
import type { Denoiser } from "./denoiser.ts";

/** A Gaussian N(mean, diag(diagonal) + factor factor') on flattened data of N features. */
export interface Gaussian {
  /** [N] */
  readonly mean: HostArray<"float32">;
  /** Variances that add to those of the factor, [N], positive. */
  readonly diagonal: HostArray<"float32">;
  /** [N, r] */
  readonly factor: HostArray<"float32">;
}

/** A Gaussian's moments as tensors: mean [1, N], diagonal [1, N], factor [N, r]. */
export interface GaussianTensors {
  readonly mean: Tensor;
  readonly diagonal: Tensor;
  readonly factor: Tensor;
  /** Squared lengths of the factor's columns, [1, r], if they are orthogonal and the diagonal is constant (PPCA). */
  readonly lengths?: Tensor;
}

export function gaussianConstants({ mean, diagonal, factor }: Gaussian): GaussianTensors {
  const { N } = expectShape(factor.shape, ["N", "r"], "gaussian: factor");
  expectShape(mean.shape, [N], "gaussian: mean");
  expectShape(diagonal.shape, [N], "gaussian: diagonal");
  const lengths = principalLengths({ mean, diagonal, factor });
  return {
    mean: constant(float32(mean.data, [1, N])),
    diagonal: constant(float32(diagonal.data, [1, N])),
    factor: constant(factor),
    ...(lengths && { lengths: constant(float32(lengths, [1, lengths.length])) }),
  };
}

/** How far from orthogonal columns may be, relative to their lengths: float32 rounding. */
const ORTHOGONAL = 1e-5;

/** Squared lengths of the factor's columns if the covariance is in principal form D I + U U' with orthogonal U. */
function principalLengths({ diagonal, factor }: Gaussian): number[] | undefined {
  const [N, r] = factor.shape as [number, number];
  if (diagonal.data.some((variance) => variance !== diagonal.data[0])) return undefined;
  const gram = new Float64Array(r * r); // the lower half of U' U, by rows of U as they lie
  for (let k = 0; k < N; k++)
    for (let i = 0; i < r; i++) {
      const value = factor.data[k * r + i]!;
      for (let j = 0; j <= i; j++) gram[i * r + j]! += value * factor.data[k * r + j]!;
    }
  const lengths = Array.from({ length: r }, (_, i) => gram[i * r + i]!);
  for (let i = 0; i < r; i++)
    for (let j = 0; j < i; j++)
      if (Math.abs(gram[i * r + j]!) > ORTHOGONAL * Math.sqrt(lengths[i]! * lengths[j]!)) return undefined;
  return lengths;
}

/** Sigma v for rows v [B, N]. */
export function multiplyCovariance({ diagonal, factor }: GaussianTensors, v: Tensor): Tensor {
  return add(mul(diagonal, v), matmul(matmul(v, factor), factor, { transB: true }));
}

/**
 * The linear map v -> Sigma (Sigma + sigma_t^2 I)^-1 v, on [B, ...]. It is the Jacobian of the Gaussian's denoiser, and
 * times sigma_t^2 it is (Sigma^-1 + Sigma_t^-1)^-1. By the Woodbury identity, with E = D + sigma_t^2 I and
 * C = I + U' E^-1 U:
 *   w = (Sigma + sigma_t^2 I)^-1 v = E^-1 (v - U C^-1 U' E^-1 v),   Sigma w = D w + U C^-1 U' E^-1 v,
 * which cancels at no noise level, unlike v - sigma_t^2 w.
 */
export function shrink(gaussian: GaussianTensors, sigma_t: Tensor): (v: Tensor) => Tensor {
  return gaussian.lengths
    ? shrinkPrincipal(gaussian, gaussian.lengths, sigma_t)
    : shrinkGeneral(gaussian, sigma_t);
}

/** With orthogonal U of squared lengths l: Sigma w = D / E v + sigma_t^2 / E U diag(1 / (l + E)) U' v, E = D + sigma_t^2. */
function shrinkPrincipal(
  { diagonal, factor }: GaussianTensors,
  lengths: Tensor,
  sigma_t: Tensor,
): (v: Tensor) => Tensor {
  const variance = reshape(mul(sigma_t, sigma_t), [sizeOf(sigma_t.shape), 1]);
  const D = slice(diagonal, 1, 0, 1);
  const E = add(D, variance);
  return (v) => {
    const flat = reshape(v, [v.shape[0]!, sizeOf(diagonal.shape)]);
    const inside = matmul(div(matmul(flat, factor), add(lengths, E)), factor, { transB: true });
    return reshape(add(mul(flat, div(D, E)), mul(inside, div(variance, E))), v.shape);
  };
}

function shrinkGeneral({ diagonal, factor }: GaussianTensors, sigma_t: Tensor): (v: Tensor) => Tensor {
  const N = sizeOf(diagonal.shape);
  const rank = factor.shape[1]!;
  const levels = sizeOf(sigma_t.shape);
  const variance = reshape(mul(sigma_t, sigma_t), [levels, 1]);
  const E = add(diagonal, variance);
  const weighted = div(reshape(transpose(factor), [1, rank, N]), reshape(E, [levels, 1, N]));
  const C_inverse = invert(add(matmul(weighted, factor), identity(rank)));
  return (v) => {
    const flat = reshape(v, [v.shape[0]!, N]);
    const projected = matmul(div(flat, E), factor);
    const coefficients = reshape(matmul(reshape(projected, [-1, 1, rank]), C_inverse), [-1, rank]);
    const inside = matmul(coefficients, factor, { transB: true });
    return reshape(add(mul(diagonal, div(sub(flat, inside), E)), inside), v.shape);
  };
}

/** The exact denoiser of a Gaussian: mean + Sigma (Sigma + sigma_t^2 I)^-1 (x_t - mean). */
export function gaussianDenoiser(gaussian: Gaussian): Denoiser {
  const tensors = gaussianConstants(gaussian);
  return (x_t, sigma_t) => {
    const mean = reshape(tensors.mean, [1, ...x_t.shape.slice(1)]);
    return add(shrink(tensors, sigma_t)(sub(x_t, mean)), mean);
  };
}

/** A draw x = mean + U w + sqrt(diagonal) e of N(mean, diag(diagonal) + U U'), w and e standard normal. [N] */
export function drawGaussian({ mean, diagonal, factor }: Gaussian, stream: Rng): Float32Array {
  const [N, r] = factor.shape as [number, number];
  const w = new Float32Array(r);
  const e = new Float32Array(N);
  stream.fillNormal(w);
  stream.fillNormal(e);
  return e.map((own, j) => {
    let value = mean.data[j]! + Math.sqrt(diagonal.data[j]!) * own;
    for (let a = 0; a < r; a++) value += factor.data[j * r + a]! * w[a]!;
    return value;
  });
}

/** The identity matrix, [size, size]. */
export function identity(size: number): Tensor {
  return constant(
    float32(
      Float32Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0)),
      [size, size],
    ),
  );
}

/**
 * Inverses of symmetric positive definite matrices [B, r, r], by Gauss-Jordan elimination without pivoting (stable for
 * such matrices), one `Loop` turn per row. Not meant to be differentiated.
 */
export function invert(matrices: Tensor): Tensor {
  const [B, rank] = matrices.shape as [number, number, number];
  const positions = integers(Array.from({ length: rank }, (_, i) => i));
  const [inverse] = loop(rank, [matrices], (k, [A]) => {
    const isPivot = equal(positions, k);
    const row = reshape(gather(A!, k, 1), [B, 1, rank]);
    const column = reshape(gather(A!, k, 2), [B, rank, 1]);
    const pivot = reshape(gather(gather(A!, k, 1), k, 1), [B, 1, 1]);
    // Sweep: A_kk -> 1/p, row -> row/p, column -> -column/p, the rest -> A - column row / p.
    const scaled = div(row, pivot);
    const rest = sub(A!, mul(column, scaled));
    const columns = where(reshape(isPivot, [1, 1, rank]), div(sub(0, column), pivot), rest);
    const pivotRow = where(reshape(isPivot, [1, 1, rank]), div(1, pivot), scaled);
    return [where(reshape(isPivot, [1, rank, 1]), pivotRow, columns)];
  });
  return inverse!;
}
