import { float32, type HostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import type { ObservationBatch } from "./observation-check.ts";
import type { Observations } from "./observations.ts";

/** Two sets that share no observation, as views of one; `heldOut` is left out where it would be empty. */
export interface SplitObservations {
  readonly training: Observations;
  readonly heldOut?: Observations;
}

/**
 * Sets observations aside, spread evenly over the set: with v = heldOut / count, observation j is held out if
 *   floor((j + 1) v) > floor(j v).
 * @param heldOut how many, at least 0 and fewer than there are
 */
export function splitObservations(observations: Observations, heldOut: number): SplitObservations {
  const { count } = observations;
  if (heldOut === 0) return { training: observations };
  const training: number[] = [];
  const aside: number[] = [];
  for (let j = 0; j < count; j++) {
    const isHeldOut = Math.floor(((j + 1) * heldOut) / count) > Math.floor((j * heldOut) / count);
    (isHeldOut ? aside : training).push(j);
  }
  return { training: viewOf(observations, training), heldOut: viewOf(observations, aside) };
}

/** As many observations of a set, at most, spread evenly over it. */
export function someObservations(observations: Observations, most: number): Observations {
  if (most >= observations.count) return observations;
  return splitObservations(observations, most).heldOut!;
}

/** Two parts of one set after each other. */
export function joinObservations(first: Observations, second: Observations): Observations {
  const from = first.count;
  const count = from + second.count;
  return {
    ...first,
    count,
    async read(start, end) {
      if (end <= from) return await first.read(start, end);
      if (start >= from) return await second.read(start - from, end - from);
      return joinBatches([await first.read(start, from), await second.read(0, end - from)]);
    },
  };
}

/** The observations with these numbers, which rise, under numbers of their own. */
function viewOf(observations: Observations, numbers: readonly number[]): Observations {
  const count = numbers.length;
  return {
    ...observations,
    count,
    async read(start, end) {
      if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > count || start >= end)
        throw new DataError(
          `${observations.path}: expected a range within [0, ${count}], found [${start}, ${end}]. Correct the range.`,
        );
      const parts: ObservationBatch[] = [];
      for (const [first, last] of runsOf(numbers.slice(start, end)))
        parts.push(await observations.read(first, last + 1));
      return joinBatches(parts);
    },
  };
}

/** Runs of numbers that follow each other, as [first, last]. */
function runsOf(numbers: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const j of numbers) {
    const run = runs.at(-1);
    if (run?.[1] === j - 1) run[1] = j;
    else runs.push([j, j]);
  }
  return runs;
}

function joinBatches(parts: readonly ObservationBatch[]): ObservationBatch {
  const [first] = parts as [ObservationBatch];
  if (parts.length === 1) return first;
  const names = Object.keys(first.data);
  return {
    y: joinRows(parts.map(({ y }) => y)),
    data: Object.fromEntries(names.map((name) => [name, joinRows(parts.map(({ data }) => data[name]!))])),
    ...(first.noiseVariance && { noiseVariance: joinRows(parts.map((part) => part.noiseVariance!)) }),
  };
}

/** Arrays [n_i, ...shape] as one, [sum of n_i, ...shape]. */
function joinRows(arrays: readonly HostArray<"float32">[]): HostArray<"float32"> {
  const data = new Float32Array(arrays.reduce((sum, array) => sum + array.data.length, 0));
  let at = 0;
  for (const array of arrays) {
    data.set(array.data, at);
    at += array.data.length;
  }
  return float32(data, [arrays.reduce((sum, { shape }) => sum + shape[0]!, 0), ...arrays[0]!.shape.slice(1)]);
}
