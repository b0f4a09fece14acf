import { float32, type HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { type Schedule, sigmaAt } from "../../diffusion/schedule.ts";
import type { MStepConfig } from "../config/config.ts";
import { augmentationNumbers, drawAugmentation } from "./augmentations.ts";

/** Posterior draws to train on. */
export interface TrainingSet {
  readonly count: number;
  /** Copies row `index` to `out` at `row`. */
  readonly copyRow: (index: number, out: Float32Array, row: number) => void;
}

/** What batches are made for. */
export interface BatchSpec {
  readonly mStep: MStepConfig;
  readonly schedule: Schedule;
  /** Shape of one draw. */
  readonly shape: Shape;
  readonly dropoutRate: number;
  /** Shapes of the dropout masks of one image, in the network's order. */
  readonly dropouts: readonly Shape[];
}

/** The inputs of a program for the n rows start ... end - 1 of a batch: x [n, ...D], sigma [n], noise, changes, masks. */
export type Batch = (start: number, end: number) => Readonly<Record<string, HostArray>>;

/**
 * Draws a batch: rows x of the training set, the numbers of their changes, noise levels, noise and dropout masks,
 *   sigma = sigma(t),  t ~ Beta(a, b) of `timeBeta`,  z ~ N(0, I)                        [Rozet24, eq. 27 and appendix C]
 * All are functions of the stream alone, whichever rows are then asked for together; masks, which may be large, are
 * drawn then.
 */
export function drawBatch(spec: BatchSpec, draws: TrainingSet, stream: Rng): Batch {
  const { mStep, schedule, shape } = spec;
  const { batch, timeBeta, augment } = mStep;
  const size = sizeOf(shape);
  const count = augmentationNumbers(augment);
  const x = new Float32Array(batch * size);
  const numbers = new Float32Array(batch * count);
  const sigma = new Float32Array(batch);
  const noise = new Float32Array(batch * size);
  // The spacing is the samplers': the network must learn the small levels even where samplers take few steps.
  const levels = { ...schedule, spacing: "geometric" } as const;
  for (let row = 0; row < batch; row++) {
    draws.copyRow(stream.integer(draws.count), x, row);
    numbers.set(drawAugmentation(augment, shape, stream), row * count);
    sigma[row] = sigmaAt(levels, stream.beta(timeBeta[0], timeBeta[1]));
  }
  stream.fillNormal(noise);
  return (start, end) => {
    const rows = (values: Float32Array, each: Shape) => {
      const length = sizeOf(each);
      return float32(values.subarray(start * length, end * length), [end - start, ...each]);
    };
    return {
      x: rows(x, shape),
      sigma: rows(sigma, []),
      noise: rows(noise, shape),
      ...(count > 0 && { augmentation: rows(numbers, [count]) }),
      ...dropoutMasks(spec, stream, start, end),
    };
  };
}

/** Each row's mask of each layer has its own stream. */
function dropoutMasks(
  { dropouts, dropoutRate }: BatchSpec,
  stream: Rng,
  start: number,
  end: number,
): Record<string, HostArray> {
  const masks = dropouts.map((each, layer) => {
    const size = sizeOf(each);
    const mask = new Float32Array((end - start) * size);
    for (let row = start; row < end; row++) {
      const own = stream.split("dropout", layer, row);
      const offset = (row - start) * size;
      for (let i = 0; i < size; i++) mask[offset + i] = Number(own.uniform() >= dropoutRate);
    }
    return [`dropout${layer}`, float32(mask, [end - start, ...each])] as const;
  });
  return Object.fromEntries(masks);
}
