import { firstNonFinite, type HostArray } from "../core/array.ts";
import { AbortedError, ConfigError, DataError } from "../core/errors.ts";
import { expectShape } from "../core/shape.ts";
import { type KernelSums, kernelSums, type SourceWeights } from "./kernel-sums.ts";
import { type PointBlocks, pointBlocks } from "./point-blocks.ts";

/** How far `sinkhorn` is. */
export interface SinkhornProgress {
  /** Iterations done, with the started one in part, and how many there can be; fewer where it converges. */
  readonly done: number;
  readonly total: number;
}

/** Options of `sinkhorn`. */
export interface SinkhornOptions {
  /** Weight epsilon of the entropy, in squared units of the points. Default 1e-3. */
  readonly regularization?: number;
  /** Most iterations. Default 1024. */
  readonly maxIterations?: number;
  /** Largest norm of (column sums of P - 1/m) that counts as converged. Default 1e-3. */
  readonly tolerance?: number;
  /** Called often while it runs. */
  readonly onProgress?: ((progress: SinkhornProgress) => void) | undefined;
  /** Stops the work within a fraction of a second. */
  readonly signal?: AbortSignal | undefined;
}

/** Defaults of `sinkhorn`: those of the paper's reference code. */
const SINKHORN_DEFAULTS = { regularization: 1e-3, maxIterations: 1024, tolerance: 1e-3 } as const;

/** The cost of a transport plan, and how it was found. */
export interface Transport {
  /** <P, M>, in squared units of the points. */
  readonly cost: number;
  readonly iterations: number;
  /** Norm of (column sums of P - 1/m) when last looked at. */
  readonly violation: number;
  readonly status: "converged" | "maxSteps";
}

/** The column sums are looked at after iterations 1, 11, 21, ..., as POT does. */
const CHECK_EVERY = 10;
/** Points per block, if that makes no more than MAX_BLOCKS of them: gaps between blocks are kept, 8 MB a direction. */
const BLOCK_SIZE = 16;
const MAX_BLOCKS = 1024;
/** Pairs of points between two returns to the event loop: some 20 ms. */
const PAIRS_PER_TURN = 2e6;
/** The divergence's floor: differences of costs below it are noise. */
const LEAST_DIVERGENCE = 1e-6;

/**
 * Cost of entropic optimal transport between two sets of points of equal weights, without the entropy
 * [Cuturi13; Flamary21, sinkhorn2 with method sinkhorn_log], with M_ij = |x_i - y_j|^2, a = 1/n, b = 1/m, in turns
 *   v_j = ln b - ln sum_i exp(u_i - M_ij / epsilon),   u_i = ln a - ln sum_j exp(v_j - M_ij / epsilon)
 * from u = 0, until the column sums of P_ij = exp(u_i + v_j - M_ij / epsilon) are close to b; then sum_ij P_ij M_ij.
 * The sums look at near pairs only (see `kernelSums`); memory is some 40 MB at 16 384 points a side.
 * @param x [n, D]        @param y [m, D]
 * @throws ShapeError, ConfigError, DataError if a number is not finite, AbortedError
 */
export async function sinkhorn(
  x: HostArray<"float32" | "float64">,
  y: HostArray<"float32" | "float64">,
  options: SinkhornOptions = {},
): Promise<Transport> {
  const { regularization, maxIterations, tolerance, onProgress, signal } = {
    ...SINKHORN_DEFAULTS,
    ...options,
  };
  checkOptions(regularization, maxIterations, tolerance);
  const { D } = expectShape(x.shape, ["n", "D"], "sinkhorn: x");
  expectShape(y.shape, ["m", D], "sinkhorn: y");
  const scale = 1 / Math.sqrt(regularization);
  const [rows, columns] = [blocksOf(x, scale, "x"), blocksOf(y, scale, "y")];
  const [ofColumns, ofRows] = [kernelSums(columns, rows), kernelSums(rows, columns)];
  const [u, v] = [weightsOf(rows), weightsOf(columns)];
  const turns = sharedTurns(signal);
  let violation = Number.POSITIVE_INFINITY;
  let iterations = 0;
  const half = async (sums: KernelSums, weights: SourceWeights, part: number) => {
    for (let J = 0; J < sums.targets.blocks; J++) {
      const pause = turns(sums.update(J, weights));
      if (!pause) continue;
      await pause;
      onProgress?.({ done: iterations + part + J / sums.targets.blocks / 2, total: maxIterations });
    }
  };
  await half(ofColumns, u, 0);
  while (iterations < maxIterations && !(violation < tolerance)) {
    setWeights(v, columns, ofColumns.logSums);
    await half(ofRows, v, 0);
    setWeights(u, rows, ofRows.logSums);
    // The column sums of P are b exp(v_j - next v_j): the next iteration's first half tells them for nothing.
    await half(ofColumns, u, 0.5);
    if (iterations % CHECK_EVERY === 0) violation = columnViolation(v.values, ofColumns.logSums);
    iterations += 1;
  }
  onProgress?.({ done: maxIterations, total: maxIterations });
  let cost = 0;
  for (let j = 0; j < columns.count; j++)
    cost += Math.exp(v.values[j]! + ofColumns.logSums[j]!) * ofColumns.meanDistances[j]!;
  return {
    cost: cost * regularization,
    iterations,
    violation,
    status: violation < tolerance ? "converged" : "maxSteps",
  };
}

/**
 * Sinkhorn divergence between the distributions of v and u, of which u1 and u2 are independent samples:
 *   max(T(u1, v) - T(u1, u2), 1e-6)      [Rozet24; Chizat20]
 * T(u1, u2), the cost between finite samples of the same distribution, is subtracted.
 * @param u1 [n, D]        @param u2 [m, D]        @param v [k, D]
 */
export async function sinkhornDivergence(
  u1: HostArray<"float32" | "float64">,
  u2: HostArray<"float32" | "float64">,
  v: HostArray<"float32" | "float64">,
  options: SinkhornOptions = {},
): Promise<number> {
  const { onProgress } = options;
  const within = (start: number): SinkhornOptions => ({
    ...options,
    onProgress:
      onProgress && (({ done, total }) => onProgress({ done: start * total + done, total: 2 * total })),
  });
  const across = await sinkhorn(u1, v, within(0));
  const same = await sinkhorn(u1, u2, within(1));
  return divergenceOf(across.cost, same.cost);
}

/** The divergence from the two costs T(u1, v) and T(u1, u2), where one of them is known already. */
export function divergenceOf(across: number, same: number): number {
  return Math.max(across - same, LEAST_DIVERGENCE);
}

function blocksOf(points: HostArray<"float32" | "float64">, scale: number, name: string): PointBlocks {
  const bad = firstNonFinite(points.data);
  const [count, D] = points.shape as [number, number];
  if (bad >= 0)
    throw new DataError(
      `sinkhorn: ${name} must be finite, found ${points.data[bad]} in row ${Math.floor(bad / D)}. Leave that row out.`,
    );
  if (count === 0 || D === 0)
    throw new DataError(
      `sinkhorn: ${name} must hold at least one point, found [${points.shape}]. Add points.`,
    );
  const size = Math.max(BLOCK_SIZE, Math.ceil(count / MAX_BLOCKS));
  return pointBlocks(
    Float64Array.from(points.data, (value) => value * scale),
    D,
    size,
  );
}

const weightsOf = ({ count, blocks }: PointBlocks): SourceWeights => ({
  values: new Float64Array(count),
  largest: new Float64Array(blocks),
  rise: 0,
});

/** u_i = -ln n - ln sum_j ..., and what `SourceWeights` tells about u. */
function setWeights(weights: SourceWeights, { count, size }: PointBlocks, logSums: Float64Array): void {
  const { values, largest } = weights;
  let rise = Number.NEGATIVE_INFINITY;
  largest.fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < count; i++) {
    const value = -Math.log(count) - logSums[i]!;
    const block = Math.floor(i / size);
    rise = Math.max(rise, value - values[i]!);
    values[i] = value;
    largest[block] = Math.max(largest[block]!, value);
  }
  weights.rise += rise;
}

/** |P' 1 - b|, with column sums exp(v_j + ln sum_i exp(u_i - M_ij / epsilon)). */
function columnViolation(v: Float64Array, logSums: Float64Array): number {
  let total = 0;
  for (let j = 0; j < v.length; j++) total += (Math.exp(v[j]! + logSums[j]!) - 1 / v.length) ** 2;
  return Math.sqrt(total);
}

/** Returns to the event loop now and then, so that timers, signals and pages live on: a promise when it is time. */
function sharedTurns(signal: AbortSignal | undefined): (work: number) => Promise<void> | undefined {
  let pending = 0;
  const wait = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    if (signal?.aborted) throw new AbortedError("sinkhorn: stopped before the transport was found.");
  };
  return (work) => {
    pending += work;
    if (pending < PAIRS_PER_TURN) return undefined;
    pending = 0;
    return wait();
  };
}

function checkOptions(regularization: number, maxIterations: number, tolerance: number): void {
  if (!(regularization > 0 && Number.isFinite(regularization)))
    throw new ConfigError(`sinkhorn: regularization must be above 0, got ${regularization}. Use 1e-3.`);
  if (!Number.isInteger(maxIterations) || maxIterations < 1)
    throw new ConfigError(`sinkhorn: maxIterations must be an integer >= 1, got ${maxIterations}. Use 1024.`);
  if (!(tolerance >= 0))
    throw new ConfigError(`sinkhorn: tolerance must be a number >= 0, got ${tolerance}. Use 1e-3.`);
}
