/** Arithmetic of convolutions and matrix products: what the peak of a matrix product is compared with. */
import { precondition } from "../src/diffusion/precondition.ts";
import { flopsOf } from "../src/graph/arithmetic.ts";
import { input, type Tensor } from "../src/graph/index.ts";
import { dependents, reachable } from "../src/graph/traverse.ts";
import { type Case, networkOf } from "./cases.ts";

/** Multiplications and additions of one evaluation of a network, by what they depend on. */
interface Work {
  /** Of operators that depend on the image: each has a derivative that costs as much again. */
  readonly image: number;
  /** Of operators that depend on the noise level alone. */
  readonly level: number;
  /** Of the operators that read the image itself, whose derivative training does not need. */
  readonly first: number;
}

/**
 * Floating-point operations of a timed run: two for each multiplication and addition of a convolution or product, as
 * mathematics needs them (a strided convolution's gradient counts as the convolution itself, however it is computed).
 *   sampling  evaluations (forward + products forward),   training  steps (3 forward - first layer)
 * @param products vector-Jacobian products of an evaluation
 */
export function samplingFlops(one: Case, products: number): number {
  const { image, level } = work(one, one.batch, 1);
  return (one.steps + 1) * (image * (1 + products) + level);
}

export function trainingFlops(one: Case): number {
  const { image, level, first } = work(one, one.mStep.batch, one.mStep.batch);
  return one.optimizerSteps * (3 * (image + level) - first);
}

function work(one: Case, batch: number, levels: number): Work {
  const network = networkOf(one);
  const weights = Object.fromEntries(network.parameters.map(({ name, shape }) => [name, input(shape)]));
  const x = input([batch, ...one.shape]);
  const order = reachable([precondition(network, weights)(x, input([levels]))]);
  const onImage = dependents(order, [x]);
  const total = { image: 0, level: 0, first: 0 };
  const seen = new Set<Tensor>();
  for (const tensor of order) {
    const flops = flopsOf(tensor);
    total[onImage.has(tensor) ? "image" : "level"] += flops;
    if (flops === 0 || !onImage.has(tensor)) continue;
    if (!tensor.inputs.some((from) => seen.has(from))) total.first += flops;
    for (const later of dependents(order, [tensor])) seen.add(later);
  }
  return total;
}
