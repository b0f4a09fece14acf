import { float32, type HostArray } from "../../core/array.ts";
import type { Network } from "../../nn/network.ts";
import { flatten, type Parameters, unflatten } from "../../nn/parameters.ts";
import type { Gain } from "./held-out.ts";

/** What the M-step carries on: vectors of all parameters, and the number of optimizer steps taken. */
export interface TrainingState {
  readonly parameters: HostArray<"float32">;
  /** Adam's running means of gradients and squared gradients. */
  readonly first: HostArray<"float32">;
  readonly second: HostArray<"float32">;
  /** Moving average of the parameters: the weights that sample. */
  readonly average: HostArray<"float32">;
  readonly step: number;
  /** M-steps so far that learned nothing: each makes the learning rate of those that follow a third. */
  readonly slowed: number;
}

/** The vectors of the state. */
export type StateVectors = Omit<TrainingState, "step" | "slowed">;

/** State before any training. */
export function initialState(network: Network, parameters: Parameters): TrainingState {
  const flat = flatten(network.parameters, parameters);
  return restartOptimizer({ parameters: flat, first: flat, second: flat, average: flat, step: 0, slowed: 0 });
}

/** Adam without memory, from the averaged weights: those of the prior that the E-step drew from, as in the reference code. */
export function restartOptimizer({ average, slowed }: TrainingState): TrainingState {
  const zeros = () => float32(new Float32Array(average.data.length));
  return { parameters: average, average, first: zeros(), second: zeros(), step: 0, slowed };
}

/** The averaged weights. */
export function averagedParameters(network: Network, state: TrainingState): Parameters {
  return unflatten(network.parameters, state.average);
}

/** An M-step after some of its steps: all that the remaining ones depend on. */
export interface TrainingProgress {
  readonly state: TrainingState;
  /** Steps of this M-step that are done. */
  readonly done: number;
  /** Mean losses over windows of steps: [last step of the window, loss]. */
  readonly loss: readonly (readonly [number, number])[];
  /** Sum of the losses since the last window. */
  readonly lossSum: number;
  /** Once the steps are done: what held-out draws say of them. */
  readonly judgement?: Judgement;
}

/** What held-out draws say of an M-step. */
export interface Judgement {
  /** Of the averaged weights after its last step; undefined where there are too few draws to hold one out. */
  readonly gain?: Gain;
  /** What there is to worry about. */
  readonly warnings: readonly string[];
}

/** An M-step before its first step. */
export function beginTraining(state: TrainingState): TrainingProgress {
  return { state, done: 0, loss: [], lossSum: 0 };
}
