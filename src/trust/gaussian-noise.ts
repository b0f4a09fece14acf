import { inverse, Matrix } from "ml-matrix";
import type { Rng } from "../core/random.ts";
import type { Observations } from "../data/observations/observations.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { dotProduct } from "../gaussian/dense.ts";
import { type LinearBatch, linearObservations } from "../gaussian/linear-observations.ts";
import {
  type GaussianModel,
  type ObservedCovariance,
  observedCovariance,
} from "../gaussian/observed-covariance.ts";
import { gaussianModel, simulate } from "../gaussian/sampler.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type ImpliedNoise, impliedNoise } from "./implied-noise.ts";

/** Observations looked at, at most. */
const ENOUGH = 2048;
/** Observations for each number that is fitted to them. */
const EACH = 10;
/** Powers of A'A, from 0 on, that variance of latents may have. */
const POWERS = 3;
/** Share of the variance of T that rounding leaves where z explains all of it. */
const BLIND = 1e-6;
/** Share of a number's variance that rounding may leave, since operators are applied in float32. */
const ROUNDING = 1e-9;
const UNTOLD: ImpliedNoise = {
  factor: 1,
  error: Number.POSITIVE_INFINITY,
  difference: { mean: 0, error: Number.POSITIVE_INFINITY, freedom: 0 },
  isTold: false,
};

/**
 * The factor f of the noise's covariance Sigma that observations imply under a Gaussian N(mean, C), C to be found with f. With
 * S = A C A' + Sigma and a = S^-1 (y - A mean), half of
 *   T = a' Sigma a    is, but for its mean, the score of f, and half of    z = a' A B A' a    that of C, moved in the direction B.
 * Both have a mean under the Gaussian that need not be known: twins (y simulated from it, through the same operators) have it, too.
 * What of T directions B explain, T - beta' z, tells f whatever C is (`impliedNoise`); where that is nothing, as behind masks, where
 * B = I does to y what Sigma does, noise cannot be told from latents.
 * @param observations in the Gaussian's coordinates; those that are not linear are linearized at the mean
 */
export async function gaussianNoise(
  observations: Observations,
  gaussian: Gaussian,
  rng: Rng,
  engine: EngineOptions,
): Promise<ImpliedNoise> {
  const model = gaussianModel(gaussian);
  const count = Math.min(observations.count, ENOUGH);
  const sets: number[][][] = [[], [], []]; // of the observations, of twins, and of other twins
  const linear = await linearObservations(observations, engine, "solve");
  try {
    for await (const { numbers, batch } of linear.batches([0, count])) {
      const own = await batch.residual(model.mean);
      const covariance = await observedCovariance(batch, model);
      const residuals = [own];
      for (const twin of [0, 1]) {
        const streams = Array.from({ length: batch.size }, (_, i) => rng.split(twin, numbers[i]!));
        residuals.push(await simulated(batch, model, streams, own));
      }
      for (const [at, residual] of residuals.entries())
        sets[at]!.push(...(await forms(batch, covariance, model, residual, count)));
    }
  } finally {
    await linear.release();
  }
  const [found, expected, others] = sets as [number[][], number[][], number[][]];
  const beta = explained(expected.map((row, i) => row.map((value, p) => value - others[i]![p]!)));
  const rest = (rows: number[][]) =>
    rows.map(([T, ...z]) => z.reduce((left, value, p) => left - beta[p]! * value, T!));
  const [first, second] = [rest(expected), rest(others)];
  const variance = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
  const whole = variance(
    expected.map(([T]) => T!),
    others.map(([T]) => T!),
  );
  if (!(variance(first, second) > BLIND * whole)) return UNTOLD;
  const scores = first.map((value, i) => (value - second[i]!) / 2);
  return impliedNoise({ found: rest(found), expected: first, scores });
}

/** y - A mean of twins, [n, M]; 0 where a mask hides y. @param own of the observations */
async function simulated(batch: LinearBatch, model: GaussianModel, streams: Rng[], own: Float64Array) {
  const { latents, noise } = simulate(model, batch, streams);
  const seen = await batch.applyEach(latents);
  return own.map((value, row) =>
    value === 0 && batch.measured[Math.floor(row / batch.rows)]! < batch.rows ? 0 : seen[row]! + noise[row]!,
  );
}

/** T and z of each observation: of all pairs of entries, if so many numbers can be fitted, else of some directions. */
async function forms(
  batch: LinearBatch,
  covariance: ObservedCovariance,
  { mean, factor, rank }: GaussianModel,
  residual: Float64Array,
  count: number,
): Promise<number[][]> {
  const { size: n, systems, rows, variance, patterns, patternCount: q, products } = batch;
  const N = mean.length;
  const a = await covariance.solve(residual);
  const shared = patterns ? await products.times(a, rows, patterns, q, systems) : new Float64Array(0);
  const pulled = await batch.pullEach(a);
  const weighed = a.map((value, row) => variance[row]! * value ** 2);
  const most = count / EACH;
  const isSmall = (N * (N + 1)) / 2 <= most;
  const powers = isSmall ? [] : await powersOf(batch, pulled);
  const inside =
    !isSmall && rank < most ? await products.times(pulled, N, factor, rank, 1) : new Float64Array(0);
  const part = (values: Float64Array, i: number) =>
    values.subarray((i * values.length) / n, ((i + 1) * values.length) / n);
  return Array.from({ length: n }, (_, i) => {
    const b = part(pulled, i);
    const directions = isSmall
      ? Array.from(b, (value, j) => Array.from(b.subarray(0, j + 1), (other) => value * other)).flat()
      : [
          ...powers.map((power) => power[i]!),
          ...Array.from(part(inside, i), (value) => value ** 2),
          ...(N + rank < most ? Array.from(b, (value) => value ** 2) : []),
        ];
    return [
      squares(part(shared, i)) + part(weighed, i).reduce((sum, value) => sum + value, 0),
      ...directions,
    ];
  });
}

/** b' (A'A)^k b of each b = A' a, [POWERS][n]. @param pulled [n, N] */
async function powersOf(batch: LinearBatch, pulled: Float64Array): Promise<number[][]> {
  const powers: number[][] = [];
  let v = pulled;
  for (let k = 0; k < POWERS; k++) {
    if (k > 0) v = k % 2 === 1 ? await batch.applyEach(v) : await batch.pullEach(v);
    const size = v.length / batch.size;
    powers.push(Array.from({ length: batch.size }, (_, i) => squares(v.subarray(i * size, (i + 1) * size))));
  }
  return powers;
}

function squares(values: Float64Array): number {
  return dotProduct(values, values);
}

/** beta of T ~ beta' z by least squares, over rows [T, ...z] of mean zero. */
function explained(rows: readonly number[][]): number[] {
  const P = rows[0]!.length - 1;
  const sizes = Array.from(
    { length: P },
    (_, p) => Math.sqrt(rows.reduce((sum, row) => sum + row[p + 1]! ** 2, 0)) || 1,
  );
  const G = Matrix.zeros(P, P);
  const g = Matrix.zeros(P, 1);
  for (const [T, ...z] of rows) {
    const own = z.map((value, p) => value / sizes[p]!);
    for (let p = 0; p < P; p++) {
      g.set(p, 0, g.get(p, 0) + own[p]! * T!);
      for (let r = 0; r < P; r++) G.set(p, r, G.get(p, r) + own[p]! * own[r]!);
    }
  }
  for (let p = 0; p < P; p++) G.set(p, p, G.get(p, p) + ROUNDING);
  return inverse(G)
    .mmul(g)
    .to1DArray()
    .map((value, p) => value / sizes[p]!);
}
