/** Making observations out of clean images, for experiments whose truth is known. */

import { type HostArray, hostArray } from "../core/array.ts";
import { ConfigError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { isMaskShape, maskIndices } from "../operators/mask.ts";
import type { ObservationBatch } from "./observation-check.ts";

/** Options of `corruptMask`. */
export interface CorruptMaskOptions {
  /** Probability that an entry of the mask is deleted, in [0, 1). Default 0.75, as in the paper. */
  readonly deleted?: number;
  /** Variance of the noise on y, in squared units of x. Default 1e-6, as in the paper. */
  readonly noiseVariance?: number;
  /** Shape of each mask, broadcastable to an image. Default [1, H, W] for images [C, H, W], otherwise the image's. */
  readonly maskShape?: Shape;
  /** The stream below which observation i draws from split("corrupt", i). */
  readonly rng: Rng;
  /** Index of the first image in the whole set, so that batches may have any size. Default 0. */
  readonly startIndex?: number;
}

/** Defaults of `corruptMask`. */
export const CORRUPT_MASK_DEFAULTS = { deleted: 0.75, noiseVariance: 1e-6, startIndex: 0 } as const;

/**
 * Deletes entries at random and adds noise to the rest:
 *   y = m * (x + sigma z),  m ~ Bernoulli(1 - deleted) entry by entry,  z ~ N(0, I),  sigma^2 = noiseVariance
 * A mask without a single observed entry is drawn again.
 * @param images [n, ...latent]
 * @returns y [n, ...latent] and mask [n, ...maskShape]; they depend on each observation's index only
 * @throws ConfigError if an option is out of range
 */
export function corruptMask(images: HostArray<"float32">, options: CorruptMaskOptions): ObservationBatch {
  const { deleted, noiseVariance, startIndex, rng, maskShape } = { ...CORRUPT_MASK_DEFAULTS, ...options };
  const [count = 0, ...latentShape] = images.shape;
  const shape = maskShape ?? (latentShape.length === 3 ? [1, ...latentShape.slice(1)] : latentShape);
  checkOptions(deleted, noiseVariance, startIndex);
  if (!isMaskShape(shape, latentShape))
    throw new ConfigError(
      `corruptMask: maskShape must broadcast to ${formatShape(latentShape)}, got ${formatShape(shape)}.`,
    );
  const covers = maskIndices(shape, latentShape);
  const width = sizeOf(shape);
  const sigma = Math.sqrt(noiseVariance);
  const y = new Float32Array(images.data.length);
  const masks = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    const stream = rng.split("corrupt", startIndex + i);
    const mask = masks.subarray(i * width, (i + 1) * width);
    drawMask(mask, deleted, stream.split("mask"));
    const noise = stream.split("noise");
    for (let entry = 0; entry < covers.length; entry++) {
      // Drawn for hidden entries too: the noise on one entry must not depend on the mask of another.
      const z = noise.normal();
      const flat = i * covers.length + entry;
      if (mask[covers[entry]!] === 1) y[flat] = images.data[flat]! + sigma * z;
    }
  }
  return {
    y: hostArray("float32", images.shape, y),
    data: { mask: hostArray("float32", [count, ...shape], masks) },
  };
}

function drawMask(mask: Float32Array, deleted: number, rng: Rng): void {
  do {
    for (let entry = 0; entry < mask.length; entry++) mask[entry] = rng.uniform() < deleted ? 0 : 1;
  } while (!mask.includes(1));
}

function checkOptions(deleted: number, noiseVariance: number, startIndex: number): void {
  if (!(deleted >= 0 && deleted < 1))
    throw new ConfigError(`corruptMask: deleted must lie in [0, 1), got ${deleted}.`);
  if (!(noiseVariance > 0 && Number.isFinite(noiseVariance)))
    throw new ConfigError(
      `corruptMask: noiseVariance must be above 0, got ${noiseVariance}. Use 1e-6 for nearly none.`,
    );
  if (!Number.isSafeInteger(startIndex) || startIndex < 0)
    throw new ConfigError(`corruptMask: startIndex must be an integer from 0, got ${startIndex}.`);
}
