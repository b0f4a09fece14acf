import { type PointBlocks, squaredGaps } from "./point-blocks.ts";

/** Sums of a Gaussian kernel over sources x_i for targets y_j; see `kernelSums`. */
export interface KernelSums {
  readonly targets: PointBlocks;
  readonly sources: PointBlocks;
  /** ln sum_i exp(u_i - |x_i - y_j|^2), [targets.count] */
  readonly logSums: Float64Array;
  /** Mean of |x_i - y_j|^2 over i under the weights of that sum, [targets.count] */
  readonly meanDistances: Float64Array;
  /** Computes both for the targets of block J. @returns how many pairs it looked at, a measure of the work */
  readonly update: (J: number, weights: SourceWeights) => number;
}

/** Weights u of the sources, and what is known about them. */
export interface SourceWeights {
  /** u, [sources.count] */
  readonly values: Float64Array;
  /** The largest of each block, [sources.blocks]. */
  readonly largest: Float64Array;
  /** Sum over all changes of u so far of the largest increase of any of them: no u_i has risen by more in between. */
  rise: number;
}

/** Terms below e^-20 / n of the largest are left out: together they change a sum by less than 2e-9 of it. */
const NEGLIGIBLE = 20;
/** Lists of near sources reach this much further, in the exponent, so that they stay good while weights change. */
const SLACK = 40;
/** Entries of all lists of near sources together: 100 MB. */
const MAX_ENTRIES = 2 ** 23;

/**
 * Sums over all pairs of points, of which only those that count are looked at, in float64.
 *
 * A block of sources is left out where its largest weight and the distance of its bounding box show that every term is
 * negligible against the largest so far. The sources that remain are remembered with their distances, a margin wider than
 * needed. As long as no other term can have become large, that is while
 *   (largest term at the time of the list) - (largest term now) + (largest rise of a weight since) <= slack,
 * the list alone is summed.
 */
export function kernelSums(targets: PointBlocks, sources: PointBlocks): KernelSums {
  const D = targets.dimensions;
  const [y, x] = [targets.points, sources.points];
  const gaps = squaredGaps(targets, sources);
  const margin = NEGLIGIBLE + Math.log(sources.count);
  const room = Math.min(sources.count, Math.max(1, Math.floor(MAX_ENTRIES / targets.count)));
  const lists = {
    sources: new Uint32Array(room * targets.count),
    distances: new Float64Array(room * targets.count),
    /** 0 for none. */
    lengths: new Uint32Array(targets.count),
    /** Largest term and `rise` of the weights when each was made. */
    maxima: new Float64Array(targets.count),
    rises: new Float64Array(targets.count),
    /** How much further than needed each reaches; less where it would be too long. */
    slacks: new Float64Array(targets.count).fill(SLACK),
  };
  const best = nearestSources(targets, sources, gaps);
  const logSums = new Float64Array(targets.count);
  const meanDistances = new Float64Array(targets.count);

  /** Sums over the list of target j. @returns whether it is still good */
  const sumList = (j: number, u: Float64Array, rise: number): boolean => {
    const first = j * room;
    const last = first + lists.lengths[j]!;
    if (first === last) return false;
    const { sources: near, distances } = lists;
    let maximum = Number.NEGATIVE_INFINITY;
    for (let k = first; k < last; k++) {
      const exponent = u[near[k]!]! - distances[k]!;
      if (exponent > maximum) {
        maximum = exponent;
        best[j] = near[k]!;
      }
    }
    if (lists.maxima[j]! - maximum + rise - lists.rises[j]! > lists.slacks[j]!) return false;
    let sum = 0;
    let moment = 0;
    for (let k = first; k < last; k++) {
      const distance = distances[k]!;
      const exponent = u[near[k]!]! - distance - maximum;
      if (exponent < -margin) continue;
      const term = Math.exp(exponent);
      sum += term;
      moment += term * distance;
    }
    logSums[j] = maximum + Math.log(sum);
    meanDistances[j] = moment / sum;
    return true;
  };

  const squaredDistance = (j: number, i: number): number => {
    let total = 0;
    for (let d = 0; d < D; d++) {
      const difference = x[i * D + d]! - y[j * D + d]!;
      total += difference * difference;
    }
    return total;
  };

  const squaredDistanceToBox = (j: number, I: number): number => {
    let total = 0;
    for (let d = 0; d < D; d++) {
      const value = y[j * D + d]!;
      const outside = Math.max(sources.lower[I * D + d]! - value, value - sources.upper[I * D + d]!, 0);
      total += outside * outside;
    }
    return total;
  };

  /** Sums over all sources that count for target j of block J, and lists those near. @returns pairs looked at */
  const sumAll = (j: number, J: number, { values: u, largest, rise }: SourceWeights): number => {
    const { sources: near, distances, lengths } = lists;
    const reach = margin + lists.slacks[j]!;
    let maximum = u[best[j]!]! - squaredDistance(j, best[j]!);
    let [sum, moment, pairs, length] = [0, 0, 0, 0];
    for (let I = 0; I < sources.blocks; I++) {
      if (largest[I]! - gaps[J * sources.blocks + I]! < maximum - reach) continue;
      if (largest[I]! - squaredDistanceToBox(j, I) < maximum - reach) continue;
      const first = I * sources.size;
      const last = Math.min(first + sources.size, sources.count);
      pairs += last - first;
      for (let i = first; i < last; i++) {
        const distance = squaredDistance(j, i);
        const exponent = u[i]! - distance - maximum;
        if (exponent < -reach) continue;
        if (length < room) {
          near[j * room + length] = i;
          distances[j * room + length] = distance;
        }
        length += 1;
        if (exponent > 0) {
          const shrink = Math.exp(-exponent);
          sum = sum * shrink + 1;
          moment = moment * shrink + distance;
          maximum += exponent;
          best[j] = i;
        } else if (exponent > -margin) {
          const term = Math.exp(exponent);
          sum += term;
          moment += term * distance;
        }
      }
    }
    lengths[j] = length <= room ? length : 0;
    if (length > room) lists.slacks[j]! /= 2;
    lists.maxima[j] = maximum;
    lists.rises[j] = rise;
    logSums[j] = maximum + Math.log(sum);
    meanDistances[j] = moment / sum;
    return pairs;
  };

  const update = (J: number, weights: SourceWeights): number => {
    const start = J * targets.size;
    const end = Math.min(start + targets.size, targets.count);
    let pairs = 0;
    for (let j = start; j < end; j++)
      pairs += sumList(j, weights.values, weights.rise) ? lists.lengths[j]! : sumAll(j, J, weights);
    return pairs;
  };
  return { targets, sources, logSums, meanDistances, update };
}

/** One near source for each target: the first point of the nearest block. */
function nearestSources(targets: PointBlocks, sources: PointBlocks, gaps: Float64Array): Uint32Array {
  const nearest = new Uint32Array(targets.count);
  for (let J = 0; J < targets.blocks; J++) {
    const row = gaps.subarray(J * sources.blocks, (J + 1) * sources.blocks);
    const I = row.reduce((least, gap, k) => (gap < row[least]! ? k : least), 0);
    nearest.fill(I * sources.size, J * targets.size, (J + 1) * targets.size);
  }
  return nearest;
}
