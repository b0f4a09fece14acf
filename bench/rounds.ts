/** Sides that take turns: in every round each runs once while the others wait. */
import { readFileSync } from "node:fs";
import type { HostArray } from "../src/core/array.ts";
import { decodeSafetensors } from "../src/nn/safetensors.ts";
import { refusal, relativeErrors } from "./compare.ts";
import { Side, type SideSpec } from "./side.ts";

/** A side of a contest, and where it leaves its results. */
export interface Contestant extends SideSpec {
  readonly output: string;
  /** Whether its results have to be those of the first contestant. */
  readonly checked: boolean;
}

/** What a side was measured at. */
export interface Measured {
  /** Seconds of each round. */
  readonly seconds: readonly number[];
  readonly median: number;
  /** Largest resident size, and that before anything was built, in bytes. */
  readonly peak: number;
  readonly baseline: number;
  readonly variant?: string;
  /** Largest relative difference from our results. */
  readonly error?: number;
}

/** A side without a time. */
export interface Refused {
  readonly refused: string;
}

export type Outcome = Measured | Refused;

export function isMeasured(outcome: Outcome | undefined): outcome is Measured {
  return outcome !== undefined && "seconds" in outcome;
}

/**
 * Starts all sides, leaves out those that fail or compute something else than the first, and lets the others take turns.
 * @param onEvent is told what happens
 */
export async function contest(
  contestants: readonly Contestant[],
  rounds: number,
  onEvent: (text: string) => void,
): Promise<Record<string, Outcome>> {
  const outcomes: Record<string, Outcome> = {};
  const started: { side: Side; prepared: Prepared; seconds: number[] }[] = [];
  let reference: Results | undefined;
  try {
    // One after the other: what gets ready must not disturb what times its variants.
    for (const contestant of contestants) {
      onEvent(`${contestant.name} gets ready`);
      const prepared = await prepare(contestant, reference);
      if ("refused" in prepared) {
        onEvent(`${contestant.name} is left out: ${prepared.refused}`);
        outcomes[contestant.name] = prepared;
        continue;
      }
      reference ??= prepared.results;
      started.push({ side: prepared.side, prepared, seconds: [] });
    }
    for (let round = 1; round <= rounds; round++) {
      onEvent(`round ${round} of ${rounds}`);
      for (const { side, seconds } of started) seconds.push(await side.go());
    }
    for (const { side, prepared, seconds } of started) {
      const { baseline, variant, error } = prepared;
      const peak = await side.quit();
      outcomes[side.name] = {
        seconds,
        median: median(seconds),
        peak,
        baseline,
        ...(variant && { variant }),
        ...(error !== undefined && { error }),
      };
    }
  } finally {
    for (const { side } of started) side.kill();
  }
  return outcomes;
}

type Results = Readonly<Record<string, HostArray>>;

interface Prepared {
  readonly side: Side;
  readonly results: Results;
  readonly baseline: number;
  readonly variant?: string;
  readonly error?: number;
}

async function prepare(contestant: Contestant, reference: Results | undefined): Promise<Prepared | Refused> {
  const side = new Side(contestant);
  try {
    const { baseline, variant } = await side.ready();
    const results = decodeSafetensors(readFileSync(contestant.output)).tensors;
    const told = { side, results, baseline, ...(variant && { variant }) };
    if (!reference || !contestant.checked) return told;
    const errors = relativeErrors(reference, results);
    const refused = refusal(errors);
    if (refused === undefined) return { ...told, error: Math.max(...Object.values(errors)) };
    side.kill();
    return { refused };
  } catch (cause) {
    side.kill();
    if (!reference) throw cause; // our own side has to work
    return { refused: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
