import { NumericalError } from "../core/errors.ts";
import { repeated, timesRows } from "./dense.ts";
import type { LinearBatch } from "./linear-observations.ts";

/** E^-1 B for the columns B of each system, and A A' E^-1 B, [s, M, k] both. */
export interface NoiseSolution {
  readonly solution: Float64Array;
  readonly normal: () => Float64Array;
  /** Step sizes and turns of conjugate gradients for each observation's columns, [n][k]; none where A A' is diagonal. */
  readonly course: readonly (readonly Step[])[][] | undefined;
}

/** A step of conjugate gradients: v <- v + alpha p, p <- z + beta p. */
export interface Step {
  readonly alpha: number;
  readonly beta: number;
}

/** |B - E X| over |B| at which a column is solved: below, float32 products of the operator add nothing. */
const SOLVED = 1e-5;
/** Steps after which it is told that the system could not be solved. */
const MOST_STEPS = 2000;

/** The diagonal of Sigma_y + D A A', [n, M]. */
export function noiseDiagonal({ variance, diagonal }: LinearBatch, D: number): Float64Array {
  return variance.map((value, row) => value + D * diagonal[row]!);
}

/**
 * Solves E X = B with E = diag(Sigma_y) + D A A': what is left of an observation's covariance when its low-rank part is
 * taken out by the Woodbury identity. B [s, M, k]; where all share a system, [..., M, k] of any number of observations. Where A A' is diagonal this is a division; elsewhere conjugate gradients in
 * float64 with the operator in float32, preconditioned by the diagonal. The system is well conditioned once D is small.
 */
export async function solveNoise(
  batch: LinearBatch,
  D: number,
  B: Float64Array,
  k: number,
): Promise<NoiseSolution> {
  const inverse = noiseDiagonal(batch, D).map((value) => 1 / value);
  if (!batch.isDiagonal) return await conjugateGradients(batch, D, B, k, inverse);
  const period = batch.systems * batch.rows;
  const cycled = (values: Float64Array) => repeated(values.subarray(0, period), B.length / (k * period));
  const solution = timesRows(B, k, cycled(inverse));
  return { solution, normal: () => timesRows(solution, k, cycled(batch.diagonal)), course: undefined };
}

/** @param inverse diagonal of the preconditioner, [n, M] */
async function conjugateGradients(
  batch: LinearBatch,
  D: number,
  B: Float64Array,
  k: number,
  inverse: Float64Array,
): Promise<NoiseSolution> {
  const { variance, size: n } = batch;
  /** The system that entry `at` of B belongs to, [n, k]. */
  const size = B.length / n;
  const system = Int32Array.from(B, (_, at) => Math.floor(at / size) * k + (at % k));
  const dots = (X: Float64Array, Y: Float64Array) => {
    const out = new Float64Array(n * k);
    for (let at = 0; at < X.length; at++) out[system[at]!]! += X[at]! * Y[at]!;
    return out;
  };
  const [X, AX] = [new Float64Array(B.length), new Float64Array(B.length)];
  const R = B.slice();
  let Z = timesRows(R, k, inverse);
  const P = Z.slice();
  let slope = dots(Z, R);
  const first = slope.slice();
  const course: Step[][][] = Array.from({ length: n }, () => Array.from({ length: k }, () => []));
  const isOpen = (s: number) => slope[s]! > SOLVED ** 2 * first[s]!;
  for (let step = 0; ; step++) {
    if (!slope.some((_, s) => isOpen(s))) return { solution: X, normal: () => AX, course };
    if (step === MOST_STEPS)
      throw new NumericalError(
        `Gaussian: ${MOST_STEPS} steps do not solve the measurements' equations. The noise variance is very small beside what the operator gives: check both, or state a larger variance.`,
      );
    const AP = await batch.normal(P, k);
    const EP = timesRows(P, k, variance);
    for (let at = 0; at < EP.length; at++) EP[at]! += D * AP[at]!;
    const curvature = dots(P, EP);
    const alpha = slope.map((value, s) => (isOpen(s) ? value / curvature[s]! : 0));
    for (let at = 0; at < B.length; at++) {
      const length = alpha[system[at]!]!;
      X[at]! += length * P[at]!;
      AX[at]! += length * AP[at]!;
      R[at]! -= length * EP[at]!;
    }
    Z = timesRows(R, k, inverse);
    const next = dots(Z, R);
    const beta = next.map((value, s) => (isOpen(s) ? value / slope[s]! : 0));
    for (let at = 0; at < B.length; at++) P[at] = Z[at]! + beta[system[at]!]! * P[at]!;
    for (let s = 0; s < n * k; s++)
      if (isOpen(s)) course[Math.floor(s / k)]![s % k]!.push({ alpha: alpha[s]!, beta: beta[s]! });
    slope = slope.map((old, s) => (isOpen(s) ? next[s]! : old));
  }
}
