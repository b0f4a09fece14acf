import { ConfigError } from "../../src/core/errors.ts";
import type { ScanSlice } from "../../src/data/scans/scans.ts";

/** How slices are divided. */
export interface SplitOptions {
  /** Share of the slices (or volumes) that settings are chosen on. */
  readonly validation: number;
  /** Share of the slices (or volumes) that results are measured on. */
  readonly test: number;
  /** Slices left out on both sides of a held-out slab. */
  readonly gap: number;
}

/** Numbers of slices. */
export interface Split {
  readonly train: readonly number[];
  readonly validation: readonly number[];
  readonly test: readonly number[];
}

/** With so many volumes, whole ones are held out. */
const MANY_VOLUMES = 10;

/**
 * Divides slices so that nothing held out has a near-duplicate in training. Neighbouring slices of a scan look alike, so
 * choosing slices at random would test memory. Of many volumes the last ones are held out whole; of few, two slabs of
 * neighbouring slices in each, around its first third (test) and its second (validation), and `gap` slices on both sides of a
 * slab are not used at all.
 * @throws ConfigError if nothing is left to learn from
 */
export function splitSlices(slices: readonly ScanSlice[], options: SplitOptions): Split {
  const volumes = new Map<number, Member[]>();
  for (const [number, { slice, volume }] of slices.entries()) {
    const members = volumes.get(volume) ?? [];
    members.push({ slice, number });
    volumes.set(volume, members);
  }
  const divide = volumes.size >= MANY_VOLUMES ? wholeVolumes : slabs;
  const split = divide([...volumes.values()], options);
  if (split.train.length === 0)
    throw new ConfigError(
      `mri: expected slices to learn from beside those held out, found none among ${slices.length}. Give more slices.`,
    );
  return split;
}

interface Member {
  /** Position in its volume. */
  readonly slice: number;
  /** Number among all slices. */
  readonly number: number;
}

function wholeVolumes(volumes: readonly Member[][], { validation, test }: SplitOptions): Split {
  const share = (part: number) => Math.max(1, Math.round(part * volumes.length));
  const firstTest = volumes.length - share(test);
  const firstValidation = firstTest - share(validation);
  const numbers = (from: number, to: number) =>
    volumes
      .slice(from, to)
      .flat()
      .map(({ number }) => number);
  return {
    train: numbers(0, firstValidation),
    validation: numbers(firstValidation, firstTest),
    test: numbers(firstTest, volumes.length),
  };
}

function slabs(volumes: readonly Member[][], { validation, test, gap }: SplitOptions): Split {
  const split = { train: [] as number[], validation: [] as number[], test: [] as number[] };
  for (const members of volumes) {
    const tested = slab(members, test, 1 / 3);
    const validated = slab(members, validation, 2 / 3);
    for (const { slice, number } of members) {
      const distance = (range: Range) => Math.max(range[0] - slice, slice - range[1]);
      if (distance(tested) <= 0) split.test.push(number);
      else if (distance(validated) <= 0) split.validation.push(number);
      else if (Math.min(distance(tested), distance(validated)) > gap) split.train.push(number);
    }
  }
  return split;
}

type Range = readonly [first: number, last: number];

/** Neighbouring slices around a place in their volume, 0 ... 1. */
function slab(members: readonly Member[], share: number, place: number): Range {
  const size = Math.max(1, Math.round(share * members.length));
  const first = Math.max(0, Math.floor(place * members.length - size / 2));
  return [members[first]!.slice, members[Math.min(first + size, members.length) - 1]!.slice];
}
