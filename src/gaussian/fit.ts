import { AbortedError, NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import {
  beside,
  choleskyFactor,
  dotProduct,
  dotsOf,
  inverseOf,
  timesVector,
  transposedTimes,
} from "./dense.ts";
import type { LinearBatch, LinearObservations } from "./linear-observations.ts";
import { type GaussianModel, type ObservedCovariance, observedCovariance } from "./observed-covariance.ts";
import type { Products } from "./products.ts";
import { resolver } from "./resolved.ts";

/** Observations that a fit looks at: [first, end). */
export type Range = readonly [number, number];

/** Sums over n observations under a Gaussian, with G = mean(A' (a a' - S^-1) A) - g g' and a = S^-1 (y - A mean). */
interface Expectation {
  readonly count: number;
  /** ln p(y), over all observations. */
  readonly logLikelihood: number;
  /** g = mean(A' a), [N]. */
  readonly g: Float64Array;
  /** G U, [N, r]. */
  readonly GU: Float64Array;
  readonly traceG: number;
}

/** ln N(y; A mean, S) over observations and of each, and how many numbers were measured. */
export async function logLikelihood(
  linear: LinearObservations,
  range: Range,
  gaussian: GaussianModel,
  rng: Rng,
): Promise<{
  readonly total: number;
  readonly measured: number;
  readonly each: number[];
  readonly numbers: number[];
}> {
  const each: number[] = [];
  const measured: number[] = [];
  for await (const { numbers, batch } of linear.batches(range)) {
    const covariance = await observedCovariance(batch, gaussian, (i) => rng.split("probe", numbers[i]!));
    const r = await batch.residual(gaussian.mean);
    const a = await covariance.solve(r);
    for (const [i, value] of densities(batch, covariance, r, a).entries()) {
      each[numbers[i]! - range[0]] = value;
      measured[numbers[i]! - range[0]] = batch.measured[i]!;
    }
  }
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return { total: sum(each), measured: sum(measured), each, numbers: measured };
}

/** ln N(r; 0, S) of each, with a = S^-1 r. */
function densities(
  { measured, size }: LinearBatch,
  { logDeterminants }: ObservedCovariance,
  r: Float64Array,
  a: Float64Array,
): number[] {
  const squares = dotsOf(r, a, size);
  return measured.map((M, i) => -0.5 * (squares[i]! + logDeterminants[i]! + M * Math.log(2 * Math.PI)));
}

/** The E-step [Dempster77] in closed form, with the likelihood of the Gaussian that it is taken under. */
async function expectation(
  linear: LinearObservations,
  [start, end]: Range,
  gaussian: GaussianModel,
  rng: Rng,
  signal: AbortSignal | undefined,
): Promise<Expectation> {
  const { rank: r, mean } = gaussian;
  const N = mean.length;
  const g = new Float64Array(N);
  const GU = new Float64Array(N * r);
  let [traceG, likelihood] = [0, 0];
  for await (const { numbers, batch } of linear.batches([start, end])) {
    if (signal?.aborted) throw new AbortedError("the Gaussian start was stopped. Continue with --resume.");
    const covariance = await observedCovariance(batch, gaussian, (i) => rng.split("probe", numbers[i]!));
    const { columns: k, V } = covariance;
    const { systems, rows, products } = batch;
    const residual = await batch.residual(mean);
    const a = await covariance.solve(residual);
    const pulled = await batch.pullEach(a);
    for (let at = 0; at < pulled.length; at++) g[at % N]! += pulled[at]!;
    const { solvedV, traces } = await covariance.moments();
    traceG += dotProduct(pulled, pulled);
    for (const trace of traces) traceG -= trace;
    if (r > 0) {
      const inside = await products.times(a, rows, V, k, systems);
      await batch.addPulled(innovations(batch, a, inside, solvedV, k, r), r, GU);
    }
    for (const value of densities(batch, covariance, residual, a)) likelihood += value;
  }
  if (!Number.isFinite(likelihood))
    throw new NumericalError(
      "Gaussian: the likelihood is not finite. Check the observations for huge values.",
    );
  const n = end - start;
  for (let j = 0; j < N; j++) g[j]! /= n;
  const inside = transposedTimes(gaussian.factor, r, g);
  for (let j = 0; j < N; j++)
    for (let b = 0; b < r; b++) GU[j * r + b] = GU[j * r + b]! / n - g[j]! * inside[b]!;
  return { count: n, logLikelihood: likelihood, g, GU, traceG: traceG / n - dotProduct(g, g) };
}

/** a (V' a)' - S^-1 V, summed over a system's observations, the first r of k columns, [s, M, r]. @param inside V' a, [n, k] */
function innovations(
  { rows: M, size: n, systems: s }: LinearBatch,
  a: Float64Array,
  inside: Float64Array,
  solvedV: Float64Array,
  k: number,
  r: number,
): Float64Array {
  const out = new Float64Array(s * M * r);
  for (let row = 0; row < n * M; row++) {
    const [system, own] = [row % (s * M), Math.floor(row / M) * k];
    for (let b = 0; b < r; b++) out[system * r + b]! += a[row]! * inside[own + b]! - solvedV[system * k + b]!;
  }
  return out;
}

/**
 * The M-step of x = mean + U w + e with w ~ N(0, I), e ~ N(0, D I), in parameter-expanded form [Liu98]: w ~ N(U' g, W) too,
 * W = I + U' G U, and what w learns goes into mean and U.
 *   mean <- mean + (D I + U U') g
 *   U    <- (U + D G U W^-1) W^1/2
 *   D    <- D + D^2 / N (tr G - tr(U' G G U W^-1))
 * Of the steps of mean and U what `resolve` makes of them is taken. Where they are e and E shorter than these, D is greater by
 * (e'e + tr(E W E')) / N. No term is a difference of large numbers, however small D becomes.
 * @returns undefined if W is not positive definite to rounding: directions are known as well as the operator's float32 is
 */
async function maximization(
  { mean, residual: D, factor: U, rank: r }: GaussianModel,
  { g, GU, traceG }: Expectation,
  products: Products,
  resolve: (columns: Float64Array, k: number) => Promise<Float64Array>,
): Promise<GaussianModel | undefined> {
  const N = mean.length;
  const inside = timesVector(U, transposedTimes(U, r, g));
  const move = g.map((value, j) => D * value + (r > 0 ? inside[j]! : 0));
  const W = await products.gram(U, r, GU, r, 1);
  for (let a = 0; a < r; a++)
    for (let b = 0; b <= a; b++)
      W[a * r + b] = W[b * r + a] = (W[a * r + b]! + W[b * r + a]!) / 2 + Number(a === b);
  const L = choleskyFactor(W, r);
  if (!L) return undefined;
  const step = await products.times(GU, r, inverseOf(L, r), r, 1);
  const steps = beside(
    step.map((value) => D * value),
    r,
    move,
    1,
  );
  const taken = await resolve(steps, r + 1);
  const rest = steps.map((value, at) => value - taken[at]!);
  const [restOfU, restOfMean] = apart(rest, r);
  const [stepOfU, stepOfMean] = apart(taken, r);
  const left =
    dotProduct(restOfMean, restOfMean) + dotProduct(restOfU, await products.times(restOfU, r, W, r, 1));
  return {
    mean: mean.map((value, j) => value + stepOfMean[j]!),
    residual: D + ((D * D) / N) * (traceG - dotProduct(GU, step)) + left / N,
    factor: await products.times(
      U.map((value, at) => value + stepOfU[at]!),
      r,
      L,
      r,
      1,
    ),
    rank: r,
  };
}

/** The first r columns of [N, r + 1], and the last. */
function apart(columns: Float64Array, r: number): readonly [Float64Array, Float64Array] {
  const last = (at: number) => at % (r + 1) === r;
  return [columns.filter((_, at) => !last(at)), columns.filter((_, at) => last(at))];
}

/** How much longer than EM's the steps become as long as the likelihood rises. */
const LENGTHENING = 1.4;

/** The closest Gaussian that a constraint allows, if there is one. */
export type Constraint = (gaussian: GaussianModel) => GaussianModel | undefined;

/**
 * Climbs the likelihood by over-relaxed EM [Salakhutdinov03]: steps of EM are taken longer and longer while the likelihood
 * rises; one that lowers it is taken back and replaced by EM's own, which cannot. Yields each Gaussian that was accepted, the
 * first included; whoever iterates decides when to stop.
 * @param constrain applied to the first and after each step; without one, only rounding of the operator's float32 ends the climb
 */
export async function* climb(
  linear: LinearObservations,
  range: Range,
  first: GaussianModel,
  rng: Rng,
  signal?: AbortSignal,
  constrain: Constraint = (gaussian) => gaussian,
): AsyncGenerator<GaussianModel> {
  let current = constrain(first);
  if (!current) return;
  let sums = await expectation(linear, range, current, rng, signal);
  let length = 1;
  const resolve = resolver(linear, range, current.mean.length, rng);
  yield current;
  for (;;) {
    const from: GaussianModel = current;
    const target = await maximization(
      from,
      sums,
      linear.products,
      async (columns, k) => await resolve(from, columns, k),
    );
    if (!target) return;
    let candidate = constrain(length > 1 ? beyond(current, target, length) : target);
    let next = candidate && (await expectation(linear, range, candidate, rng, signal));
    if (length > 1 && !(next && next.logLikelihood >= sums.logLikelihood)) {
      length = 1;
      candidate = constrain(target);
      next = candidate && (await expectation(linear, range, candidate, rng, signal));
    } else length *= LENGTHENING;
    if (!candidate || !next) return;
    if (next.logLikelihood < sums.logLikelihood) return;
    [current, sums] = [candidate, next];
    yield current;
  }
}

/** from + length (to - from), of the variance in logarithms. */
function beyond(from: GaussianModel, to: GaussianModel, length: number): GaussianModel {
  const mix = (a: Float64Array, b: Float64Array) => a.map((value, j) => value + length * (b[j]! - value));
  return {
    mean: mix(from.mean, to.mean),
    residual: from.residual * (to.residual / from.residual) ** length,
    factor: mix(from.factor, to.factor),
    rank: from.rank,
  };
}
