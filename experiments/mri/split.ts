import type { ScanSlice } from "../../src/data/scans.ts";

/** How slices are divided. */
export interface SplitOptions {
  /** Share of the slices (or volumes) held out. */
  readonly heldOut: number;
  /** Slices left out on both sides of a held-out slab. */
  readonly gap: number;
}

/** Numbers of slices. */
export interface Split {
  readonly train: readonly number[];
  readonly heldOut: readonly number[];
}

/** With so many volumes, whole ones are held out. */
const MANY_VOLUMES = 10;

/**
 * Divides slices so that nothing held out has a near-duplicate in training. Neighbouring slices of a scan look alike, so
 * choosing slices at random would test memory. Of many volumes the last ones are held out whole; of few, one slab of
 * neighbouring slices in the middle of each, and `gap` slices on both of its sides are not used at all.
 */
export function splitSlices(slices: readonly ScanSlice[], { heldOut, gap }: SplitOptions): Split {
  const volumes = new Map<number, { slice: number; number: number }[]>();
  for (const [number, { slice, volume }] of slices.entries()) {
    const members = volumes.get(volume) ?? [];
    members.push({ slice, number });
    volumes.set(volume, members);
  }
  const train: number[] = [];
  const test: number[] = [];
  const wholes = volumes.size >= MANY_VOLUMES ? Math.max(1, Math.round(heldOut * volumes.size)) : 0;
  let seen = 0;
  for (const members of volumes.values()) {
    seen++;
    const numbers = members.map(({ number }) => number);
    if (wholes > 0) {
      (seen > volumes.size - wholes ? test : train).push(...numbers);
      continue;
    }
    const size = Math.max(1, Math.round(heldOut * members.length));
    const first = Math.floor((members.length - size) / 2);
    const [low, high] = [members[first]!.slice, members[first + size - 1]!.slice];
    for (const { slice, number } of members) {
      if (slice >= low && slice <= high) test.push(number);
      else if (slice < low - gap || slice > high + gap) train.push(number);
    }
  }
  return { train, heldOut: test };
}
