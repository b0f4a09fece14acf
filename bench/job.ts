/** What a process that is measured is told. */
import type { NetworkConfig } from "../src/em/config/config.ts";
import { type Case, type CaseName, levelsOf, NOISE_VARIANCE, networkOf } from "./cases.ts";
import type { OperationName } from "./tasks/operations.ts";

/** Tasks that every side can be asked for. */
export type CaseTask = "eStep" | "mStep" | "prior";
export type TaskName = CaseTask | "product" | OperationName;

/** What one process measures. It is handed over as JSON. */
export interface Job {
  readonly task: TaskName;
  readonly case?: CaseName;
  readonly threads: number;
  /** safetensors file of `writeInputs`. */
  readonly input: string;
  /** Where the results of the first run go, to be compared. */
  readonly output: string;
  /** E-step of peers: whether the last product is gathered from those of the solver's steps, as ours is. */
  readonly reuse?: boolean;
  /** How often a run of an operation computes it. */
  readonly repeats?: number;
  /** Our E-step with so many times the observations, evaluations or solver's steps. */
  readonly scale?: Scale;
  /** What a peer has to know of the case. */
  readonly settings?: Settings;
}

/** Factors on a case's sizes. */
export interface Scale {
  readonly observations: number;
  readonly steps: number;
  readonly cgSteps: number;
}

/** A case as peers read it. */
export interface Settings {
  readonly shape: readonly number[];
  readonly network: NetworkConfig;
  readonly parameters: readonly string[];
  readonly batch: number;
  readonly cgSteps: number;
  readonly variance: number;
  readonly levels: readonly number[];
  readonly optimizerSteps: number;
  readonly learningRate: number;
  readonly emaDecay: number;
  readonly clipNorm: number;
}

export function settingsOf(one: Case): Settings {
  return {
    shape: one.shape,
    network: one.network,
    parameters: networkOf(one).parameters.map(({ name }) => name),
    batch: one.batch,
    cgSteps: one.cgSteps,
    variance: NOISE_VARIANCE,
    levels: levelsOf(one),
    optimizerSteps: one.optimizerSteps,
    learningRate: one.mStep.learningRate[0],
    emaDecay: one.mStep.emaDecay,
    clipNorm: one.mStep.clipNorm,
  };
}
