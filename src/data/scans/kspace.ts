/** Sub-sampled k-space made from images, as accelerated magnetic resonance imaging measures it. */

import { float32, type HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { expectShape } from "../../core/shape.ts";
import { randomColumns } from "../../operators/kinds/random-masks.ts";
import type { ObservationBatch } from "../observations/observation-check.ts";
import { fourier } from "./host-fourier.ts";

export interface KspaceOptions {
  /** Acceleration R. */
  readonly acceleration: number;
  /** Variance of the noise on the real and on the imaginary part, in squared units of x. */
  readonly noiseVariance: number;
  /** Whether noise is drawn. No for images of measured k-space, which holds its scanner's noise. */
  readonly addNoise: boolean;
  /** The stream below which observation i draws from split("kspace", i). */
  readonly rng: Rng;
  /** Index of the first image in the whole set. */
  readonly startIndex: number;
}

/**
 * Observations y = m * (F x + sigma z) with a mask of columns for each image.
 * @param images real [n, 1, H, W] or complex [n, 2, H, W]
 * @returns y [n, 2, H, W] and mask [n, 1, 1, W], data of the operator "fourier"
 */
export function kspaceObservations(images: HostArray<"float32">, options: KspaceOptions): ObservationBatch {
  const { acceleration, noiseVariance, addNoise, rng, startIndex } = options;
  const { N, C, H, W } = expectShape(images.shape, ["N", "C", "H", "W"], "kspaceObservations: images");
  const area = H * W;
  const sigma = addNoise ? Math.sqrt(noiseVariance) : 0;
  const y = new Float32Array(N * 2 * area);
  const masks = new Float32Array(N * W);
  for (let i = 0; i < N; i++) {
    const stream = rng.split("kspace", startIndex + i);
    const mask = randomColumns(W, acceleration, stream.split("mask"));
    masks.set(mask, i * W);
    const image = float32(new Float32Array(2 * area), [2, H, W]);
    image.data.set(images.data.subarray(i * C * area, (i + 1) * C * area));
    const k = fourier(image).data;
    const noise = stream.split("noise");
    for (let entry = 0; entry < 2 * area; entry++) {
      const z = noise.normal();
      if (mask[entry % W] === 1) y[i * 2 * area + entry] = k[entry]! + sigma * z;
    }
  }
  return { y: float32(y, [N, 2, H, W]), data: { mask: float32(masks, [N, 1, 1, W]) } };
}
