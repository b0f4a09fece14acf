import { hostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { gridOf } from "../core/grid.ts";
import { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import type { Coordinates } from "../data/observations/coordinates.ts";
import { kindsOf, meanEntries, type ObservationSet } from "../data/observations/observation-set.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { choleskyFactor, inverseOf, sumsOf, timesVector } from "./dense.ts";
import { type LinearObservations, linearObservations } from "./linear-observations.ts";
import { isPicked } from "./picked.ts";
import { signsOf } from "./signs.ts";

/** Observations and numbers looked at, at most: plenty for a mean and a variance. */
const ENOUGH = { observations: 4096, numbers: 2 ** 22 } as const;
/** Smallest deviation of the noise over that of the measurements: float32 rounds these by 6e-8, and residuals add some up. */
const LEAST_NOISE = 1e-6;
/** Rounds of weighing numbers by the variance that the round before found. */
const ROUNDS = 12;
/**
 * Share of what numbers tell of the entries that they mix below which they tell nothing of the entries' mean: differences of
 * neighbours do not see it, and what rounding leaves would put it anywhere. The mean then stays at zero.
 */
const BLIND = 1e-6;

/**
 * The coordinates in which the latents behind observations have about zero mean and unit deviation, by moments: each group of
 * entries has one mean m and variance v, found from its numbers weighed by 1 / (v + their noise's variance). Groups are the
 * entries of a vector, each of which may have a unit of its own, and the channels of an image. Noise counts as deviation
 * (scale^2 = v + its typical variance), so that an entry that never changes is not blown up to the size of the others.
 * An operator that mixes entries adds them up, so they have one unit; a channel's mean is then found by least squares.
 */
export async function standardCoordinates(
  observations: ObservationSet,
  engine: EngineOptions,
): Promise<Coordinates> {
  const { latentShape } = observations.header;
  const N = sizeOf(latentShape);
  const picked = kindsOf(observations).every((kind) => isPicked(kind.observations));
  const group = picked ? groupsOf(latentShape) : channelsOf(latentShape);
  const G = Math.max(...group) + 1;
  const found = picked
    ? await ofPicked(observations, group, G, engine)
    : await ofMixed(observations, group, G, engine);
  const bad = found.find(({ deviation, mean }) => !(deviation > 0 && Number.isFinite(deviation + mean)));
  if (bad)
    throw new DataError(
      `${observations.path}: expected measurements that vary, found deviation ${bad.deviation} about mean ${bad.mean}. Check y and the noise variance.`,
    );
  const precise = found.find(({ noise, deviation }) => !(noise >= LEAST_NOISE * deviation));
  if (precise)
    throw new DataError(
      `${observations.path}: expected noise of at least ${LEAST_NOISE} times the measurements' deviation, which float32 can follow, found ${(precise.noise / precise.deviation).toPrecision(2)}. State a noise variance of at least ${((LEAST_NOISE * precise.deviation) ** 2).toPrecision(2)}.`,
    );
  const deviations = found.map(({ deviation }) => deviation);
  const sizes = Array.from(group, (g) => deviations[g]!);
  // Geometric: no entry's unit weighs more than another's.
  const unit = picked ? Math.exp(sizes.reduce((total, value) => total + Math.log(value), 0) / N) : sizes[0]!;
  return {
    shift: hostArray(
      "float64",
      [N],
      Float64Array.from(group, (g) => found[g]!.mean),
    ),
    scale: hostArray("float64", [N], Float64Array.from(sizes)),
    unit,
    noise: Math.min(...found.map(({ noise, deviation }) => noise / deviation)),
  };
}

/** The observations looked at. */
function rangeOf(set: ObservationSet): readonly [number, number] {
  const enough = Math.max(1, Math.ceil(ENOUGH.numbers / meanEntries(set)));
  return [0, Math.min(set.count, ENOUGH.observations, enough)];
}

/** The group of each entry: itself in a vector, its channel in a signal, image or volume. */
function groupsOf(latentShape: readonly number[]): Int32Array {
  return latentShape.length === 1
    ? Int32Array.from({ length: latentShape[0]! }, (_, i) => i)
    : channelsOf(latentShape);
}

function channelsOf(latentShape: readonly number[]): Int32Array {
  const N = sizeOf(latentShape);
  const C = gridOf(latentShape)?.channels ?? 1;
  return Int32Array.from({ length: N }, (_, i) => Math.floor((i * C) / N));
}

interface Moments {
  readonly mean: number;
  /** Of what is measured, the noise included. */
  readonly deviation: number;
  /** Typical deviation of the noise alone. */
  readonly noise: number;
}

/** Of numbers that each belong to one group. */
async function ofPicked(
  observations: ObservationSet,
  group: Int32Array,
  G: number,
  engine: EngineOptions,
): Promise<Moments[]> {
  const N = group.length;
  // Entry numbers in place of latents tell which entry each number is of.
  const values: number[][] = Array.from({ length: G }, () => []);
  const noises: number[][] = Array.from({ length: G }, () => []);
  const linear = await linearObservations(observations, engine, "apply");
  const numbers = Float64Array.from({ length: N }, (_, i) => i);
  for await (const { batch } of linear.batches(rangeOf(observations))) {
    const entries = await batch.apply(numbers, 1);
    const y = await batch.residual(new Float64Array(N));
    for (const [i, own] of batch.ownRows.entries())
      for (let row = i * batch.rows; row < i * batch.rows + own; row++) {
        const g = group[entries[row]!]!;
        values[g]!.push(y[row]!);
        noises[g]!.push(batch.variance[row]!);
      }
  }
  await linear.release();
  if (values.every((own) => own.length >= 2)) return values.map((own, g) => weighed(own, noises[g]!));
  // An entry that was hardly ever seen is taken to be like the others.
  const pooled = weighed(values.flat(), noises.flat());
  return values.map((own, g) => (own.length >= 2 ? weighed(own, noises[g]!) : pooled));
}

/** Mean and deviation of numbers of known noise. */
function weighed(y: readonly number[], noise: readonly number[]): Moments {
  const total = (f: (i: number) => number) => {
    let sum = 0;
    for (let i = 0; i < y.length; i++) sum += f(i);
    return sum;
  };
  const typical = y.length / total((i) => 1 / noise[i]!);
  let [mean, variance] = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const weight = (i: number) => 1 / (variance + noise[i]!);
    const weights = total(weight);
    mean = total((i) => weight(i) * y[i]!) / weights;
    variance = Math.max(total((i) => weight(i) * ((y[i]! - mean) ** 2 - noise[i]!)) / weights, 0);
  }
  return { mean, deviation: Math.sqrt(variance + typical), noise: Math.sqrt(typical) };
}

/** Rounds of least squares, each weighing numbers by the variance that the one before found. */
const MIXED_ROUNDS = 3;

/** Of an operator that mixes entries: a mean for each group, one deviation for all. */
async function ofMixed(
  observations: ObservationSet,
  group: Int32Array,
  G: number,
  engine: EngineOptions,
): Promise<Moments[]> {
  const linear = await linearObservations(observations, engine, "apply");
  const means = new Float64Array(G);
  let [variance, typical] = [0, 0];
  try {
    for (let round = 0; round < MIXED_ROUNDS; round++) {
      const found = await leastSquares(linear.batches(rangeOf(observations)), group, means, variance);
      ({ variance, typical } = found);
      for (let g = 0; g < G; g++) means[g]! += found.step[g]!;
    }
  } finally {
    await linear.release();
  }
  const deviation = Math.sqrt(variance + typical);
  return Array.from(means, (mean) => ({ mean, deviation, noise: Math.sqrt(typical) }));
}

/**
 * How the groups' means should change, by least squares with weights 1 / (noise + variance), and by moments about them the
 * variance of an entry and the typical variance of the noise as seen from there.
 */
async function leastSquares(
  batches: ReturnType<LinearObservations["batches"]>,
  group: Int32Array,
  means: Float64Array,
  variance: number,
): Promise<{ step: Float64Array; variance: number; typical: number }> {
  const [N, G] = [group.length, means.length];
  const indicators = new Float64Array(N * G);
  for (const [i, g] of group.entries()) indicators[i * G + g] = 1;
  const mean = Float64Array.from(group, (g) => means[g]!);
  const H = new Float64Array(G * G);
  const b = new Float64Array(G);
  let [squares, noise, gain, precision, count, told] = [0, 0, 0, 0, 0, 0];
  for await (const { numbers, batch } of batches) {
    const columns = await batch.apply(indicators, G);
    const residual = await batch.residual(mean);
    const { size, rows } = batch;
    const pulled = await batch.pullEach(signsOf(size, rows, (i) => new Rng(numbers[i]!)));
    const squaresPulled = sumsOf(
      pulled.map((value) => value * value),
      size,
    );
    for (const [i, M] of batch.measured.entries()) {
      const share = squaresPulled[i]! / Math.max(M, 1);
      gain += share * M;
      for (let at = i * rows; at < (i + 1) * rows; at++) {
        const r = residual[at]!;
        if (M < rows && r === 0) continue; // a mask hides it
        const own = batch.variance[at]!;
        const weight = 1 / (own + variance * share);
        squares += r ** 2;
        noise += own;
        precision += 1 / own;
        count++;
        told += weight * share;
        const row = columns.subarray(at * G, (at + 1) * G);
        for (let g = 0; g < G; g++) {
          b[g]! += weight * row[g]! * r;
          for (let h = 0; h < G; h++) H[g * G + h]! += weight * row[g]! * row[h]!;
        }
      }
    }
  }
  for (let g = 0; g < G; g++) H[g * G + g]! += BLIND * told + Number.MIN_VALUE;
  const factor = choleskyFactor(H, G);
  return {
    step: factor ? timesVector(inverseOf(factor, G), b) : new Float64Array(G),
    variance: Math.max(squares - noise, 0) / gain,
    typical: count / precision / (gain / count),
  };
}
