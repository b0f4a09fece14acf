import { add, div, minimum, mul, sqrt, square, sub, sum, type Tensor } from "../graph/index.ts";

/** Adam's constants [Kingma15]: those of the paper's reference code. */
export const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** The tensors of one Adam step on a vector of parameters. */
export interface AdamState {
  readonly parameters: Tensor;
  /** Running mean of gradients. */
  readonly first: Tensor;
  /** Running mean of squared gradients. */
  readonly second: Tensor;
}

/**
 * One step of Adam [Kingma15, algorithm 1].
 *   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  p <- p - lr (m / c1) / (sqrt(v / c2) + eps)
 * with the corrections moved into the scalars, which saves passes over the vectors:
 *   p <- p - (lr sqrt(c2) / c1) m / (sqrt(v) + eps sqrt(c2))
 * @param correction [2]: (c1, c2) = (1 - b1^t, 1 - b2^t), from `adamCorrection`
 * @param learningRate scalar
 */
export function adamStep(
  { parameters, first, second }: AdamState,
  gradient: Tensor,
  learningRate: Tensor,
  [correction1, correction2]: readonly [Tensor, Tensor],
): AdamState {
  const m = add(mul(first, ADAM.beta1), mul(gradient, 1 - ADAM.beta1));
  const v = add(mul(second, ADAM.beta2), mul(square(gradient), 1 - ADAM.beta2));
  const root = sqrt(correction2);
  const direction = div(m, add(sqrt(v), mul(root, ADAM.epsilon)));
  const step = div(mul(learningRate, root), correction1);
  return { parameters: sub(parameters, mul(direction, step)), first: m, second: v };
}

/** (1 - b1^t, 1 - b2^t) for step t = 1, 2, ... */
export function adamCorrection(step: number): [number, number] {
  return [1 - ADAM.beta1 ** step, 1 - ADAM.beta2 ** step];
}

/** Scales a gradient so that its Euclidean norm is at most `limit`. Returns the gradient and the norm before. */
export function clipByNorm(gradient: Tensor, limit: number): { gradient: Tensor; norm: Tensor } {
  const norm = sqrt(sum(square(gradient)));
  return { gradient: mul(gradient, minimum(div(limit, add(norm, 1e-12)), 1)), norm };
}

/** Exponential moving average: average + (1 - decay) (value - average). */
export function movingAverage(average: Tensor, value: Tensor, decay: Tensor): Tensor {
  return add(average, mul(sub(value, average), sub(1, decay)));
}
