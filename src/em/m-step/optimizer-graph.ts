import { float32, type HostArray } from "../../core/array.ts";
import { input, reshape, slice, type Tensor } from "../../graph/index.ts";
import { type AdamState, adamCorrection, adamStep, clipByNorm, movingAverage } from "../../nn/optimizer.ts";
import type { StateVariable } from "../../runtime/compile.ts";
import type { StateVectors } from "./state.ts";

/** The state of the optimizer as inputs of a graph. */
export interface OptimizerInputs extends AdamState {
  readonly average: Tensor;
}

/** @param size number of parameters */
export function optimizerInputs(size: number): OptimizerInputs {
  const vector = () => input([size]);
  return { parameters: vector(), first: vector(), second: vector(), average: vector() };
}

/**
 * Adam on a gradient of limited norm, and the moving average of what it makes, as state of a program.
 * @param gradient [P], P the number of parameters
 * @returns also the input `settings` [4]: learning rate, Adam's two corrections, decay of the average
 */
export function optimizerGraph(
  { average, ...current }: OptimizerInputs,
  gradient: Tensor,
  clipNorm: number,
): { settings: Tensor; state: Record<keyof StateVectors, StateVariable> } {
  const settings = input([4]);
  const setting = (i: number) => reshape(slice(settings, 0, i, i + 1), []);
  const clipped = clipByNorm(gradient, clipNorm).gradient;
  const next = adamStep(current, clipped, setting(0), [setting(1), setting(2)]);
  return {
    settings,
    state: {
      parameters: { current: current.parameters, next: next.parameters },
      first: { current: current.first, next: next.first },
      second: { current: current.second, next: next.second },
      average: { current: average, next: movingAverage(average, next.parameters, setting(3)) },
    },
  };
}

/** The values of `settings`. @param step 1, 2, ... since Adam began */
export function optimizerSettings(
  learningRate: number,
  step: number,
  emaDecay: number,
): HostArray<"float32"> {
  return float32([learningRate, ...adamCorrection(step), emaDecay]);
}
