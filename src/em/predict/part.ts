import type { Watch } from "../../core/events.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import type { RunParts } from "../given-prior.ts";

/** Options of `predictRun`. */
export interface PredictOptions extends RunParts, Watch {
  readonly engine?: EngineOptions;
  /** Each of the three parts is timed for about so long at most, or for as little as it can do at once. Default 600. */
  readonly budgetSeconds?: number;
  /** Receives lines about what is being timed. */
  readonly log?: (line: string) => void;
}

/** One part of a run: what was timed, and what that makes for the whole. */
export interface PredictedPart {
  /** Images that were timed, and how many the configuration computes together. */
  readonly images: number;
  readonly configuredBatch: number;
  /** Seconds to compile the program, and those that were timed. */
  readonly compileSeconds: number;
  readonly timedSeconds: number;
  /** What the images went through, e.g. "65 of 65 sampler steps". */
  readonly timed: string;
  /** Seconds of one draw, or of one optimizer step; of the whole start. */
  readonly unitSeconds: number;
  /** Seconds of this part in the whole run, in proportion to images and steps. */
  readonly seconds: number;
  /** Largest resident memory of the process until this part's end, in bytes. */
  readonly peakBytes: number;
}

/** Default of `budgetSeconds`. */
export const BUDGET_SECONDS = 600;

/** Seconds since a moment. */
export function secondsSince(began: number): number {
  return (performance.now() - began) / 1000;
}

/** Largest resident memory of the process so far, in bytes. */
export function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** How many units of work fit into the budget, from 1 to `most`. @param each seconds of one */
export function unitsWithin(budget: number, each: number, most: number): number {
  return Math.min(most, Math.max(1, Math.floor(budget / each)));
}
