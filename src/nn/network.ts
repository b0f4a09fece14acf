import type { Shape } from "../core/shape.ts";
import { mul, type Tensor } from "../graph/index.ts";
import type { ParameterSpec, Weights } from "./parameters.ts";

/** Zeroes activations while training; keeps nothing else between layers. */
export type Dropout = (x: Tensor) => Tensor;

/** A noise-conditional network h(x, ln sigma) with the shape of x. */
export interface Network {
  /** What a run calls a network of your own. */
  readonly name?: string;
  /** Shape of one x, without the batch. */
  readonly shape: Shape;
  readonly parameters: readonly ParameterSpec[];
  /** Share of activations that training drops. */
  readonly dropoutRate: number;
  /**
   * The network as nodes of a graph.
   * @param x [B, ...shape]
   * @param logSigma [B], or [1] if the batch shares its noise level
   * @param dropout only while training
   */
  readonly apply: (weights: Weights, x: Tensor, logSigma: Tensor, dropout?: Dropout) => Tensor;
}

/**
 * Inverted dropout with masks from outside, so that they follow the run's seed: x mask / (1 - rate).
 * @param mask for a shape, a float32 tensor of zeros (dropped, with probability `rate`) and ones
 */
export function makeDropout(rate: number, mask: (shape: Shape) => Tensor): Dropout {
  return (x) => (rate === 0 ? x : mul(mul(x, mask(x.shape)), 1 / (1 - rate)));
}
