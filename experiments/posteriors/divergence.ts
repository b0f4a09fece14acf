/** The distance between two distributions in the results. */
import type { HostArray } from "../../src/core/array.ts";
import { sinkhorn } from "../../src/metrics/sinkhorn.ts";

export type Points = HostArray<"float32" | "float64">;
/** Two sets of draws from one distribution, independent of each other. */
export type Pair = readonly [Points, Points];

/**
 * Entropy relative to the mean squared distance of exact draws, so that all levels are seen as sharply. Less of it
 * costs more iterations and does not resolve more with some hundred draws: two exact sets differ by as much.
 */
const RELATIVE_ENTROPY = 0.2;
const MAX_ITERATIONS = 200;

/**
 * Sinkhorn divergence [Feydy19] between p and q from two sets of draws of each, with costs T without their entropy:
 *   S = (T(u1, v2) + T(v1, u2) - T(u1, u2) - T(v1, v2)) / 2,   u1, u2 ~ p,   v1, v2 ~ q.
 * Each cost is between independent sets, so what finite sets cost is taken off for p and for q; a q that is too narrow
 * is not taken for a close one. May be below zero by chance. If u_k and v_k are drawn with common random numbers it
 * is zero where they coincide.
 * @returns the divergence from p of a pair of sets
 */
export async function divergenceFrom([u1, u2]: Pair, signal: AbortSignal | undefined): Promise<Distance> {
  const regularization = RELATIVE_ENTROPY * meanSquaredDistance(u1, u2);
  const cost = async (a: Points, b: Points) =>
    (await sinkhorn(a, b, { regularization, maxIterations: MAX_ITERATIONS, signal })).cost;
  const same = await cost(u1, u2);
  return async ([v1, v2]) => ((await cost(u1, v2)) + (await cost(v1, u2)) - same - (await cost(v1, v2))) / 2;
}

function meanSquaredDistance(a: Points, b: Points): number {
  const [n, D] = a.shape as [number, number];
  let total = 0;
  for (let i = 0; i < n; i++)
    for (let d = 0; d < D; d++) total += (a.data[i * D + d]! - b.data[i * D + d]!) ** 2;
  return total / n;
}

/** Divergences below it are given as it: a logarithmic axis has no zero. */
export const LEAST = 1e-6;

/** To one pair of sets from what a divergence is taken from. */
export type Distance = (pair: Pair) => Promise<number>;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}
