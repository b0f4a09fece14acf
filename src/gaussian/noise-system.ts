import { NumericalError } from "../core/errors.ts";
import type { LinearBatch } from "./linear-observations.ts";

/** E^-1 B for the columns B of each observation, and A A' E^-1 B beside it; [M, k] each. */
export interface NoiseSolution {
  readonly solution: Float64Array[];
  readonly normal: Float64Array[];
  /** Step sizes and turns of conjugate gradients for each column, [steps] each; none where A A' is diagonal. */
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

/** The diagonal of Sigma_y + D A A', [M] each. */
export function noiseDiagonal({ variance, diagonal }: LinearBatch, D: number): Float64Array[] {
  return variance.map((own, i) => own.map((value, m) => value + D * diagonal[i]![m]!));
}

/**
 * Solves E X = B with E = diag(Sigma_y) + D A A': what is left of an observation's covariance when its low-rank part is
 * taken out by the Woodbury identity. Where A A' is diagonal this is a division; elsewhere conjugate gradients in
 * float64 with the operator in float32, preconditioned by the diagonal. The system is well conditioned once D is small.
 */
export async function solveNoise(
  batch: LinearBatch,
  D: number,
  B: readonly Float64Array[],
  k: number,
): Promise<NoiseSolution> {
  if (batch.isDiagonal) {
    const E = noiseDiagonal(batch, D);
    const solution = B.map((own, i) => ofRows(own, k, E[i]!, (value, e) => value / e));
    const normal = solution.map((own, i) => ofRows(own, k, batch.diagonal[i]!, (value, a) => value * a));
    return { solution, normal, course: undefined };
  }
  return await conjugateGradients(batch, D, B, k);
}

async function conjugateGradients(
  batch: LinearBatch,
  D: number,
  B: readonly Float64Array[],
  k: number,
): Promise<NoiseSolution> {
  const { variance } = batch;
  const diagonal = noiseDiagonal(batch, D);
  const zerosLike = () => B.map((own) => new Float64Array(own.length));
  const precondition = (r: readonly Float64Array[]) =>
    r.map((own, i) => ofRows(own, k, diagonal[i]!, (value, e) => value / e));
  const [X, AX] = [zerosLike(), zerosLike()];
  const R = B.map((own) => own.slice());
  let Z = precondition(R);
  const P = Z.map((own) => own.slice());
  let slope = Z.map((own, i) => columnDots(own, R[i]!, k));
  const first = slope.map((own) => own.slice());
  const course: Step[][][] = B.map(() => Array.from({ length: k }, () => []));
  const open = (i: number, a: number) => slope[i]![a]! > SOLVED ** 2 * first[i]![a]!;
  for (let step = 0; ; step++) {
    const isDone = slope.every((own, i) => own.every((_, a) => !open(i, a)));
    if (isDone) return { solution: X, normal: AX, course };
    if (step === MOST_STEPS)
      throw new NumericalError(
        `Gaussian: ${MOST_STEPS} steps do not solve the measurements' equations. The noise variance is very small beside what the operator gives: check both, or state a larger variance.`,
      );
    const AP = await batch.normal(P, k);
    const curvature = P.map((p, i) =>
      columnDots(
        p,
        AP[i]!.map((value, at) => variance[i]![Math.floor(at / k)]! * p[at]! + D * value),
        k,
      ),
    );
    const alpha = slope.map((own, i) => own.map((s, a) => (open(i, a) ? s / curvature[i]![a]! : 0)));
    for (let i = 0; i < B.length; i++) {
      const [x, ax, r, p, ap, step] = [X[i]!, AX[i]!, R[i]!, P[i]!, AP[i]!, alpha[i]!];
      for (let at = 0; at < r.length; at++) {
        const size = step[at % k]!;
        x[at]! += size * p[at]!;
        ax[at]! += size * ap[at]!;
        r[at]! -= size * (variance[i]![Math.floor(at / k)]! * p[at]! + D * ap[at]!);
      }
    }
    Z = precondition(R);
    const next = Z.map((own, i) => columnDots(own, R[i]!, k));
    for (let i = 0; i < B.length; i++) {
      const beta = next[i]!.map((value, a) => (open(i, a) ? value / slope[i]![a]! : 0));
      for (let at = 0; at < P[i]!.length; at++) P[i]![at] = Z[i]![at]! + beta[at % k]! * P[i]![at]!;
      for (let a = 0; a < k; a++)
        if (open(i, a)) course[i]![a]!.push({ alpha: alpha[i]![a]!, beta: beta[a]! });
    }
    slope = slope.map((own, i) => own.map((old, a) => (open(i, a) ? next[i]![a]! : old)));
  }
}

/** Scalar products of the columns of X and Y, [M, k] each. */
function columnDots(X: Float64Array, Y: Float64Array, k: number): Float64Array {
  const out = new Float64Array(k);
  for (let at = 0; at < X.length; at++) out[at % k]! += X[at]! * Y[at]!;
  return out;
}

/** f(entry, w of its row) of X [M, k]. */
function ofRows(
  X: Float64Array,
  k: number,
  w: Float64Array,
  f: (value: number, weight: number) => number,
): Float64Array {
  const out = new Float64Array(X.length);
  for (let m = 0, at = 0; m < w.length; m++) for (let a = 0; a < k; a++, at++) out[at] = f(X[at]!, w[m]!);
  return out;
}
