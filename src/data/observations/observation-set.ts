/** Sets of observations of one kind or of several: of the same latents, through different operators. */

import { DataError } from "../../core/errors.ts";
import { sizeOf } from "../../core/shape.ts";
import type { ObservationHeader } from "./observation-header.ts";
import type { Observations } from "./observations.ts";

/** Observations of several kinds as one set. Their numbers run over all kinds, which take turns. */
export interface MergedObservations {
  readonly path: string;
  /** Number of observations. */
  readonly count: number;
  /** What all kinds share. */
  readonly header: Pick<ObservationHeader, "latentShape" | "units" | "range">;
  /** One for each kind; in a view some may be empty. */
  readonly parts: readonly SetPart[];
  /** SHA-256, 64 hexadecimal digits. @throws DataError */
  checksum(): Promise<string>;
}

/** The observations of one kind in a set. */
export interface SetPart {
  readonly observations: Observations;
  /** Their numbers in the set, rising, [count]. */
  readonly numbers: Int32Array;
}

/** What is learned from, drawn for and judged: observations of one kind, or of several. */
export type ObservationSet = Observations | MergedObservations;

/** Some observations of one kind in a set. */
export interface OneKind {
  /** Which of the set's kinds. */
  readonly kind: number;
  /** All of that kind. */
  readonly observations: Observations;
  /** Which of them are meant: [first, end). */
  readonly range: readonly [number, number];
  /** Their numbers in the set, rising, [end - first]. */
  readonly numbers: Int32Array;
}

/** The kinds of a set; without those of which a view has none. */
export function kindsOf(set: ObservationSet): OneKind[] {
  return kindsIn(set, [0, set.count]);
}

/** Observations [start, end) of a set, kind by kind. They follow each other among those of their kind. */
export function kindsIn(set: ObservationSet, [start, end]: readonly [number, number]): OneKind[] {
  if (!("parts" in set))
    return [{ kind: 0, observations: set, range: [start, end], numbers: sequence(start, end) }];
  return set.parts.flatMap(({ observations, numbers }, kind) => {
    const range = [firstFrom(numbers, start), firstFrom(numbers, end)] as const;
    return range[0] === range[1] ? [] : [{ kind, observations, range, numbers: numbers.subarray(...range) }];
  });
}

/** The observations of a set that must be of one kind. @throws DataError if it has several */
export function ofOneKind(set: ObservationSet): Observations {
  const [first, ...others] = kindsOf(set).map(({ observations }) => observations);
  if (others.length === 0) return first!;
  throw new DataError(
    `${set.path}: expected observations of one kind, found ${others.length + 1}. Give those of one of them: ${first!.path}.`,
  );
}

/** The parts of a set; those of one kind are the only part. */
export function partsOf(set: ObservationSet): readonly SetPart[] {
  return "parts" in set ? set.parts : [{ observations: set, numbers: sequence(0, set.count) }];
}

/** A set of other parts in the place of its own, kind for kind. */
export function withParts<S extends ObservationSet>(set: S, count: number, parts: readonly SetPart[]): S {
  // Of one kind stays of one kind, and so does a merged set.
  return ("parts" in set ? { ...set, count, parts } : parts[0]!.observations) as S;
}

/** The set with the observations of each kind mapped. @param map is told their numbers in the set */
export function mapKinds<S extends ObservationSet>(
  set: S,
  map: (observations: Observations, numbers: Int32Array) => Observations,
): S {
  const parts = partsOf(set).map((part) => ({
    ...part,
    observations: map(part.observations, part.numbers),
  }));
  return withParts(set, set.count, parts);
}

/** Numbers of observations of kinds that take turns, each in proportion to how many it has: [count] for each kind. */
export function takingTurns(counts: readonly number[]): Int32Array[] {
  const numbers = counts.map((count) => new Int32Array(count));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const next = counts.map(() => 0);
  const place = (k: number) => (next[k]! < counts[k]! ? (next[k]! + 0.5) / counts[k]! : Infinity);
  for (let number = 0; number < total; number++) {
    let first = 0;
    for (let k = 1; k < counts.length; k++) if (place(k) < place(first)) first = k;
    numbers[first]![next[first]!++] = number;
  }
  return numbers;
}

/** The most observations of a part among so many of the set that follow each other. */
export function mostTogether(numbers: Int32Array, together: number): number {
  let [most, first] = [0, 0];
  for (const [at, number] of numbers.entries()) {
    while (number - numbers[first]! >= together) first++;
    most = Math.max(most, at - first + 1);
  }
  return most;
}

/** Entries of y of an observation, on average. */
export function meanEntries(set: ObservationSet): number {
  let total = 0;
  for (const { observations, numbers } of kindsOf(set)) total += numbers.length * entriesOf(observations);
  return total / set.count;
}

/** Entries of y of the largest observations. */
export function mostEntries(set: ObservationSet): number {
  return Math.max(...kindsOf(set).map(({ observations }) => entriesOf(observations)));
}

function entriesOf({ header }: Observations): number {
  return sizeOf(header.observationShape);
}

function sequence(start: number, end: number): Int32Array {
  return Int32Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);
}

/** Where the first of rising numbers lies that is not below `least`. */
function firstFrom(numbers: Int32Array, least: number): number {
  let [lo, hi] = [0, numbers.length];
  while (lo < hi) {
    const middle = (lo + hi) >> 1;
    if (numbers[middle]! < least) lo = middle + 1;
    else hi = middle;
  }
  return lo;
}
