/** Figures of several posterior draws for each observation. */

import { float32, type HostArray } from "../core/array.ts";
import { ConfigError, ShapeError } from "../core/errors.ts";
import { formatShape, sameShape, sizeOf } from "../core/shape.ts";

/** Mean and standard deviation of each entry over the draws, each [n, ...shape]. */
export interface DrawMoments {
  readonly mean: HostArray<"float32">;
  /** With S - 1 in the denominator; 0 for a single draw. */
  readonly deviation: HostArray<"float32">;
}

/** Mean and standard deviation over the draws of each observation. @param draws [n, S, ...shape] */
export function drawMoments(draws: HostArray<"float32">): DrawMoments {
  const { n, S, size, shape } = layout(draws);
  const mean = new Float32Array(n * size);
  const deviation = new Float32Array(n * size);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < size; k++) {
      let sum = 0;
      for (let s = 0; s < S; s++) sum += draws.data[(i * S + s) * size + k]!;
      let squares = 0;
      for (let s = 0; s < S; s++) squares += (draws.data[(i * S + s) * size + k]! - sum / S) ** 2;
      mean[i * size + k] = sum / S;
      deviation[i * size + k] = Math.sqrt(squares / Math.max(S - 1, 1));
    }
  return { mean: float32(mean, [n, ...shape]), deviation: float32(deviation, [n, ...shape]) };
}

/**
 * Quantiles of the draws of each observation, entry by entry. They interpolate between order statistics at positions p (S + 1),
 * because a truth from the distribution of the draws is below the k-th smallest of S draws with probability k / (S + 1). No
 * quantile lies beyond the smallest and the largest draw. As numpy.quantile(draws, p, axis=1, method="weibull").
 * @param draws [n, S, ...shape]     @param levels p, each between 0 and 1     @returns [n, levels, ...shape]
 * @throws ShapeError, ConfigError unless the levels lie between 0 and 1
 */
export function drawQuantiles(draws: HostArray<"float32">, levels: readonly number[]): HostArray<"float32"> {
  const { n, S, size, shape } = layout(draws);
  const wrong = levels.find((level) => !(level > 0 && level < 1));
  if (wrong !== undefined || levels.length === 0)
    throw new ConfigError(`drawQuantiles: levels must lie between 0 and 1, got ${wrong ?? "none"}.`);
  const out = new Float32Array(n * levels.length * size);
  const values = new Float32Array(S);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < size; k++) {
      for (let s = 0; s < S; s++) values[s] = draws.data[(i * S + s) * size + k]!;
      values.sort();
      for (const [q, level] of levels.entries())
        out[(i * levels.length + q) * size + k] = orderStatistic(values, level);
    }
  return float32(out, [n, levels.length, ...shape]);
}

/**
 * The ends of the central interval of the draws, `drawQuantiles` at (1 - level) / 2 and (1 + level) / 2, so the level is met. With
 * fewer draws than 2 / (1 - level) - 1 they are the smallest and the largest.
 * @param draws [n, S, ...shape]     @param level for example 0.9     @returns [n, ...shape] each
 * @throws ShapeError, ConfigError unless the level lies between 0 and 1
 */
export function drawInterval(
  draws: HostArray<"float32">,
  level: number,
): { readonly lo: HostArray<"float32">; readonly hi: HostArray<"float32"> } {
  if (!(level > 0 && level < 1))
    throw new ConfigError(`drawInterval: level must lie between 0 and 1, got ${level}. Use 0.9 for 90 %.`);
  const { n, shape } = layout(draws);
  const at = (p: number) => float32(drawQuantiles(draws, [p]).data, [n, ...shape]);
  return { lo: at((1 - level) / 2), hi: at((1 + level) / 2) };
}

/**
 * Share of entries whose truth lies within the central interval of the draws, see `drawInterval`.
 * @param draws [n, S, ...shape]     @param truth [n, ...shape]     @param level for example 0.9
 * @throws ShapeError, ConfigError unless the level lies between 0 and 1
 */
export function coverage(draws: HostArray<"float32">, truth: HostArray<"float32">, level: number): number {
  const { n, shape } = layout(draws);
  if (!sameShape(truth.shape, [n, ...shape]))
    throw new ShapeError(
      `coverage: truth must be ${formatShape([n, ...shape])}, got ${formatShape(truth.shape)}.`,
    );
  const { lo, hi } = drawInterval(draws, level);
  const inside = truth.data.filter((x, i) => x >= lo.data[i]! && x <= hi.data[i]!);
  return inside.length / truth.data.length;
}

function orderStatistic(sorted: Float32Array, p: number): number {
  const S = sorted.length;
  const position = Math.min(Math.max(p * (S + 1), 1), S) - 1;
  const below = Math.floor(position);
  const above = Math.min(below + 1, S - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}

function layout(draws: HostArray<"float32">) {
  const [n, S, ...shape] = draws.shape;
  if (n === undefined || S === undefined || S < 1)
    throw new ShapeError(`draws must be [n, S, ...shape], got ${formatShape(draws.shape)}.`);
  return { n, S, shape, size: sizeOf(shape) };
}
