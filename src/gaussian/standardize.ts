import { hostArray } from "../core/array.ts";
import { DataError } from "../core/errors.ts";
import { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import type { Coordinates } from "../data/coordinates.ts";
import type { Observations } from "../data/observations.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { choleskyFactor, inverseOf, timesVector } from "./dense.ts";
import { linearObservations } from "./linear-observations.ts";
import { isPicked } from "./picked.ts";

/** Observations looked at, at most: plenty for a mean and a variance. */
const ENOUGH = 4096;
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
  observations: Observations,
  engine: EngineOptions,
): Promise<Coordinates> {
  const { latentShape } = observations.header;
  const N = sizeOf(latentShape);
  const group = isPicked(observations) ? groupsOf(latentShape) : channelsOf(latentShape);
  const G = Math.max(...group) + 1;
  const found = isPicked(observations)
    ? await ofPicked(observations, group, G, engine)
    : await ofMixed(observations, group, G, engine);
  const bad = found.find(({ deviation, mean }) => !(deviation > 0 && Number.isFinite(deviation + mean)));
  if (bad)
    throw new DataError(
      `${observations.path}: expected measurements that vary, found deviation ${bad.deviation} about mean ${bad.mean}. Check y and the noise variance.`,
    );
  const deviations = found.map(({ deviation }) => deviation);
  const sizes = Array.from(group, (g) => deviations[g]!);
  // Geometric: no entry's unit weighs more than another's.
  const unit = isPicked(observations)
    ? Math.exp(sizes.reduce((total, value) => total + Math.log(value), 0) / N)
    : sizes[0]!;
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

/** The group of each entry: itself in a vector, its channel in an image or volume. */
function groupsOf(latentShape: readonly number[]): Int32Array {
  return latentShape.length === 1
    ? Int32Array.from({ length: latentShape[0]! }, (_, i) => i)
    : channelsOf(latentShape);
}

function channelsOf(latentShape: readonly number[]): Int32Array {
  const N = sizeOf(latentShape);
  const C = latentShape.length >= 3 ? latentShape[0]! : 1;
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
  observations: Observations,
  group: Int32Array,
  G: number,
  engine: EngineOptions,
): Promise<Moments[]> {
  const N = group.length;
  // Entry numbers in place of latents tell which entry each number is of.
  const values: number[][] = Array.from({ length: G }, () => []);
  const noises: number[][] = Array.from({ length: G }, () => []);
  const linear = await linearObservations(observations, engine);
  const numbers = Float64Array.from({ length: N }, (_, i) => i);
  for await (const { batch } of linear.batches([0, Math.min(observations.count, ENOUGH)])) {
    const entries = await batch.apply(numbers, 1);
    const y = await batch.residual(new Float64Array(N));
    for (let i = 0; i < batch.size; i++)
      for (let m = 0; m < y[i]!.length; m++) {
        values[group[entries[i]![m]!]!]!.push(y[i]![m]!);
        noises[group[entries[i]![m]!]!]!.push(batch.variance[i]![m]!);
      }
  }
  await linear.release();
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

/** Of an operator that mixes entries: a mean for each group, one deviation for all. */
async function ofMixed(
  observations: Observations,
  group: Int32Array,
  G: number,
  engine: EngineOptions,
): Promise<Moments[]> {
  const N = group.length;
  const indicators = new Float64Array(N * G);
  group.forEach((g, i) => {
    indicators[i * G + g] = 1;
  });
  const linear = await linearObservations(observations, engine);
  const range = [0, Math.min(observations.count, ENOUGH)] as const;
  const means = new Float64Array(G);
  let variance = 0;
  let typical = 0;
  try {
    for (let round = 0; round < 3; round++) {
      const H = new Float64Array(G * G);
      const b = new Float64Array(G);
      let [squares, noise, gain, precision, count, seen] = [0, 0, 0, 0, 0, 0];
      for await (const { first, batch } of linear.batches(range)) {
        const columns = await batch.apply(indicators, G);
        const mean = Float64Array.from(group, (g) => means[g]!);
        const r = await batch.residual(mean);
        const probe = batch.variance.map((own, i) => {
          const stream = new Rng(first + i);
          return own.map(() => (stream.uniform() < 0.5 ? -1 : 1));
        });
        const pulled = await batch.pullEach(probe);
        for (let i = 0; i < batch.size; i++) {
          const share =
            pulled[i]!.reduce((sum, value) => sum + value * value, 0) / Math.max(batch.measured[i]!, 1);
          gain += share * batch.measured[i]!;
          for (let m = 0; m < r[i]!.length; m++) {
            const own = batch.variance[i]![m]!;
            const weight = 1 / (own + variance * share);
            const isMeasured = batch.measured[i] === r[i]!.length || r[i]![m] !== 0;
            if (!isMeasured) continue;
            squares += r[i]![m]! ** 2;
            noise += own;
            precision += 1 / own;
            count++;
            seen += weight * share;
            for (let g = 0; g < G; g++) {
              b[g]! += weight * columns[i]![m * G + g]! * r[i]![m]!;
              for (let h = 0; h < G; h++)
                H[g * G + h]! += weight * columns[i]![m * G + g]! * columns[i]![m * G + h]!;
            }
          }
        }
      }
      typical = count / precision / (gain / count);
      variance = Math.max(squares - noise, 0) / gain;
      for (let g = 0; g < G; g++) H[g * G + g]! += BLIND * seen + Number.MIN_VALUE;
      const step = timesVector(inverseOf(choleskyFactor(H, G) ?? identity(G), G), b);
      for (let g = 0; g < G; g++) means[g]! += step[g]!;
    }
  } finally {
    await linear.release();
  }
  const deviation = Math.sqrt(variance + typical);
  return Array.from(means, (mean) => ({ mean, deviation, noise: Math.sqrt(typical) }));
}

function identity(size: number): Float64Array {
  return Float64Array.from({ length: size * size }, (_, at) => Number(at % (size + 1) === 0));
}
