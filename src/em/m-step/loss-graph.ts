import { float32 } from "../../core/array.ts";
import type { Shape } from "../../core/shape.ts";
import type { Coordinates } from "../../data/observations/coordinates.ts";
import type { Base } from "../../diffusion/base.ts";
import { denoisingLoss } from "../../diffusion/loss.ts";
import { precondition } from "../../diffusion/precondition.ts";
import type { Schedule } from "../../diffusion/schedule.ts";
import { add, constant, div, input, mul, scalar, sub, type Tensor, vjp } from "../../graph/index.ts";
import type { Named } from "../../graph/onnx/write.ts";
import { makeDropout, type Network } from "../../nn/network.ts";
import type { Weights } from "../../nn/parameters.ts";
import type { MStepConfig } from "../config/config.ts";
import { augment, augmentationNumbers } from "./augmentations.ts";

/** What is trained, and how. */
export interface TrainerSpec {
  readonly network: Network;
  readonly mStep: MStepConfig;
  readonly schedule: Schedule;
  /** What the network corrects, see `precondition`. */
  readonly base: Base;
  /** What draws are in; left out: the user's units. */
  readonly coordinates?: Coordinates | undefined;
  /** Value of black in RGB images in the user's units, if it is known: a limit of `saturation`. */
  readonly black?: number | undefined;
}

/** The loss of some rows of a batch and its gradient, as nodes of a graph. */
export interface LossGraph {
  /** The rows as `Batch` gives them. */
  readonly inputs: Named;
  /** Mean over the rows. */
  readonly loss: Tensor;
  /** Gradient of share * loss by each weight. */
  readonly gradients: Weights;
  /** Shapes of the dropout masks of one image. */
  readonly dropouts: readonly Shape[];
}

/**
 * Denoising score matching on changed draws [Rozet24, algorithm 1, lines 8-12].
 * @param share of the rows in the batch
 */
export function lossGraph(spec: TrainerSpec, rows: number, weights: Weights, share: number): LossGraph {
  const { network, mStep, base } = spec;
  const x = input([rows, ...network.shape]);
  const noise = input(x.shape);
  const sigma = input([rows]);
  const masks: Tensor[] = [];
  const dropout = makeDropout(network.dropoutRate, (shape) => {
    masks.push(input(shape));
    return masks.at(-1)!;
  });
  const count = augmentationNumbers(mStep.augment);
  const augmentation = count > 0 ? input([rows, count]) : undefined;
  const changed = augmentation ? augmentInUnits(x, spec, augmentation) : x;

  const loss = denoisingLoss(precondition(network, weights, { base, dropout }), changed, sigma, noise, {
    base,
  });
  const gradients = vjp([loss], Object.values(weights), [scalar(share)]);
  return {
    inputs: {
      x,
      noise,
      sigma,
      ...(augmentation && { augmentation }),
      ...Object.fromEntries(masks.map((mask, i) => [`dropout${i}`, mask])),
    },
    loss,
    gradients: Object.fromEntries(Object.keys(weights).map((name, i) => [name, gradients[i]!])),
    dropouts: masks.map((mask) => mask.shape.slice(1)),
  };
}

/** Images are changed in the user's units: hue and black mean nothing where channels have scales of their own. */
function augmentInUnits(
  x: Tensor,
  { network, mStep, coordinates, black }: TrainerSpec,
  numbers: Tensor,
): Tensor {
  if (!coordinates) return augment(x, mStep.augment, numbers, black);
  const each = (values: Float64Array) => constant(float32(Float32Array.from(values), [1, ...network.shape]));
  const [shift, scale] = [each(coordinates.shift.data), each(coordinates.scale.data)];
  return div(sub(augment(add(shift, mul(scale, x)), mStep.augment, numbers, black), shift), scale);
}
