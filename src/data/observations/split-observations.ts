import { float32, type HostArray } from "../../core/array.ts";
import { DataError } from "../../core/errors.ts";
import type { ObservationBatch } from "./observation-check.ts";
import { type ObservationSet, partsOf, withParts } from "./observation-set.ts";
import type { Observations } from "./observations.ts";

/** Two sets that share no observation, as views of one; `heldOut` is left out where it would be empty. */
export interface SplitObservations<S> {
  readonly training: S;
  readonly heldOut?: S;
}

/**
 * Sets observations aside, spread evenly over those of each kind: with v = h / n for h of n, the j-th is held out if
 *   floor((j + 1) v) > floor(j v).
 * @param heldOut how many, at least 0 and fewer than there are; of each kind in proportion
 */
export function splitObservations<S extends ObservationSet>(set: S, heldOut: number): SplitObservations<S> {
  const { count } = set;
  if (heldOut === 0) return { training: set };
  const isHeldOut = new Uint8Array(count);
  let before = 0;
  for (const { numbers } of partsOf(set)) {
    const n = numbers.length;
    const h = Math.floor(((before + n) * heldOut) / count) - Math.floor((before * heldOut) / count);
    for (const [j, number] of numbers.entries())
      if (Math.floor(((j + 1) * h) / n) > Math.floor((j * h) / n)) isHeldOut[number] = 1;
    before += n;
  }
  const those = (value: number) => Array.from(isHeldOut.keys()).filter((j) => isHeldOut[j] === value);
  return { training: viewOf(set, those(0)), heldOut: viewOf(set, those(1)) };
}

/** As many observations of a set, at most, spread evenly over it. */
export function someObservations<S extends ObservationSet>(set: S, most: number): S {
  if (most >= set.count) return set;
  return splitObservations(set, most).heldOut!;
}

/** Two views of one set after each other. */
export function joinObservations<S extends ObservationSet>(first: S, second: S): S {
  const others = partsOf(second);
  const parts = partsOf(first).map(({ observations, numbers }, kind) => {
    const other = others[kind]!;
    return {
      observations: joinRowsOf(observations, other.observations),
      numbers: Int32Array.from([...numbers, ...other.numbers.map((number) => first.count + number)]),
    };
  });
  return withParts(first, first.count + second.count, parts);
}

/** Observations of one kind after each other. */
function joinRowsOf(first: Observations, second: Observations): Observations {
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
function viewOf<S extends ObservationSet>(set: S, chosen: readonly number[]): S {
  const parts = partsOf(set).map(({ observations, numbers }) => {
    const rows: number[] = [];
    const places: number[] = [];
    for (let row = 0, place = 0; row < numbers.length && place < chosen.length; ) {
      const difference = numbers[row]! - chosen[place]!;
      if (difference === 0) {
        rows.push(row);
        places.push(place);
      }
      if (difference <= 0) row++;
      if (difference >= 0) place++;
    }
    return { observations: rowsOf(observations, rows), numbers: Int32Array.from(places) };
  });
  return withParts(set, chosen.length, parts);
}

/** Some observations of one kind. @param numbers which rise */
function rowsOf(observations: Observations, numbers: readonly number[]): Observations {
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
