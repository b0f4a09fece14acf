/** The cells of the battery: a truth, what is measured of it, the noise, and how many observations there are. */
import type { Noise } from "./measurements.ts";
import type { Measured } from "./operators.ts";
import type { TruthName } from "./truths.ts";

export interface Cell {
  readonly name: string;
  readonly truth: TruthName;
  readonly measured: Measured;
  readonly noise: Noise;
  readonly count: number;
  /** Small enough for the recipe `tiny`. */
  readonly isTiny?: true;
}

const mask = (share: number): Measured => ({ kind: "mask", share });
const projections = (count: number): Measured => ({ kind: "projections", count });
const uniform = (share: number): Noise => ({ kind: "uniform", share });
const perEntry = (share: number): Noise => ({ kind: "per-entry", share });
const patterned = (share: number): Noise => ({ kind: "correlated", share });

function cell(
  name: string,
  truth: TruthName,
  measured: Measured,
  noise: Noise,
  count: number,
  isTiny?: true,
): Cell {
  return { name, truth, measured, noise, count, ...(isTiny && { isTiny }) };
}

/** All cells. */
export const CELLS: readonly Cell[] = [
  // Gaussian vectors: the start is all there is to learn, and no step may spoil it.
  cell("gauss-1/noisy", "gauss-1", mask(1), uniform(1), 1000),
  cell("gauss-4/precise", "gauss-4", projections(6), uniform(1e-6), 500, true),
  cell("gauss-8/mask", "gauss-8", mask(0.5), uniform(1e-2), 2000),
  cell("gauss-16-decay/projections", "gauss-16-decay", projections(3), uniform(1e-4), 4000),
  cell("gauss-16-decay/correlated", "gauss-16-decay", projections(8), patterned(0.1), 2000),
  cell("gauss-16-rank3/projections", "gauss-16-rank3", projections(2), uniform(1e-3), 10_000),
  cell("gauss-24/shared", "gauss-24", { kind: "projections", count: 8, isShared: true }, uniform(1e-2), 1000),
  cell("gauss-64/per-entry", "gauss-64", mask(0.4), perEntry(0.1), 1000),
  cell("gauss-64/few", "gauss-64", mask(0.5), uniform(0.1), 64),
  // Gaussian images.
  cell("smooth-8x8/mask", "smooth-8x8", mask(0.5), uniform(1e-2), 1000),
  cell("smooth-8x8/blur", "smooth-8x8", { kind: "blur" }, uniform(1e-2), 1000),
  cell("smooth-8x8/pool", "smooth-8x8", { kind: "pool" }, uniform(1e-3), 500),
  cell("smooth-8x8/fourier", "smooth-8x8", { kind: "fourier", share: 0.5 }, uniform(1e-2), 1000),
  cell("smooth-7x9/per-entry", "smooth-7x9", mask(0.4), perEntry(0.1), 500),
  cell("smooth-3x4x5/mask", "smooth-3x4x5", mask(0.3), uniform(1e-4), 500),
  // What a Gaussian misses.
  cell("ring/full", "ring", mask(1), uniform(2e-4), 8000),
  cell("ring/mask", "ring", mask(0.7), uniform(1e-3), 16_000),
  cell("ring/projection", "ring", projections(1), uniform(1e-3), 16_000),
  cell("ring-3d/projections", "ring-3d", projections(2), uniform(1e-4), 8000),
  cell("two-1d/noisy", "two-1d", mask(1), uniform(0.3), 4000),
  cell("two-2d/mask", "two-2d", mask(0.7), uniform(1e-2), 2000, true),
  cell("two-2d/few", "two-2d", projections(1), uniform(1e-2), 256),
  cell("two-16d/mask", "two-16d", mask(0.5), uniform(0.1), 4000),
  cell("lines/full", "lines", mask(1), uniform(1e-3), 4000),
  cell("lines/per-entry", "lines", projections(2), perEntry(1e-2), 8000),
  cell("four-4d/projections", "four-4d", projections(2), uniform(1e-2), 8000),
  cell("four-4d/many", "four-4d", mask(0.6), uniform(1e-4), 50_000),
  cell("four-4d/correlated", "four-4d", projections(3), patterned(0.1), 4000),
  cell("tails-8d/mask", "tails-8d", mask(0.5), uniform(1e-2), 8000),
  cell("tails-8d/correlated", "tails-8d", projections(4), patterned(0.1), 4000),
  cell("signs-8x8/mask", "signs-8x8", mask(0.4), uniform(0.1), 1000),
  cell("signs-8x8/noisy", "signs-8x8", mask(0.5), uniform(1), 1000),
  cell("signs-8x8/pool", "signs-8x8", { kind: "pool" }, uniform(0.1), 1000),
];
