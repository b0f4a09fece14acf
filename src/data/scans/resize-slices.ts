/** Smaller slices for smaller networks. Magnitudes are averaged over blocks, k-space is cut around its centre. */

import { float32, type HostArray } from "../../core/array.ts";
import { ConfigError } from "../../core/errors.ts";
import { formatShape } from "../../core/shape.ts";
import { fourier } from "./host-fourier.ts";

/**
 * The centre of an image, averaged over blocks: with f = floor(min(H / h, W / w)), the central [f h, f w] pixels become
 * [h, w] by the mean of f x f blocks. Unlike a Fourier cut it keeps values within the range of the image, so magnitudes
 * stay non-negative and edges do not ring.
 * @param image [H, W]     @param size [h, w], at most [H, W]
 * @throws ConfigError if the image is smaller than the size
 */
export function averageBlocks(
  image: HostArray<"float32">,
  [h, w]: readonly [number, number],
): HostArray<"float32"> {
  const [H, W] = image.shape as [number, number];
  const factor = Math.floor(Math.min(H / h, W / w));
  requireRoom(image.shape, [h, w], factor >= 1);
  const top = Math.floor((H - factor * h) / 2);
  const left = Math.floor((W - factor * w) / 2);
  const out = new Float32Array(h * w);
  for (let y = 0; y < factor * h; y++)
    for (let x = 0; x < factor * w; x++)
      out[Math.floor(y / factor) * w + Math.floor(x / factor)]! += image.data[(top + y) * W + left + x]!;
  for (let i = 0; i < out.length; i++) out[i]! /= factor * factor;
  return float32(out, [h, w]);
}

/**
 * The image of a slice of k-space, of another field of view and resolution:
 *   x = F' k, cut to the central f [h, w] pixels (scanners sample the readout twice as densely as the image needs),
 *   then the central [h, w] frequencies of what is left, scaled by 1 / f so that intensities stay as they were.
 * Both cuts of white noise leave white noise: the orthonormal DFT keeps it, and so does leaving entries out.
 * @param kspace [2, H, W], centred orthonormal DFT     @param size [h, w], at most [H, W]
 * @returns the complex image [2, h, w]
 * @throws ConfigError if the slice is smaller than the size
 */
export function imageOfKspace(
  kspace: HostArray<"float32">,
  [h, w]: readonly [number, number],
): HostArray<"float32"> {
  const [, H, W] = kspace.shape as [2, number, number];
  const factor = Math.floor(Math.min(H / h, W / w));
  requireRoom(kspace.shape, [h, w], factor >= 1);
  const image = cutCentre(fourier(kspace, { inverse: true }), [factor * h, factor * w]);
  if (factor === 1) return image;
  const small = fourier(cutCentre(fourier(image), [h, w]), { inverse: true });
  for (let i = 0; i < small.data.length; i++) small.data[i]! /= factor;
  return small;
}

/** The central entries of the last two axes, around index floor(n / 2), which stays at floor(m / 2). */
function cutCentre(x: HostArray<"float32">, [h, w]: readonly [number, number]): HostArray<"float32"> {
  const [planes, H, W] = x.shape as [number, number, number];
  const top = Math.floor(H / 2) - Math.floor(h / 2);
  const left = Math.floor(W / 2) - Math.floor(w / 2);
  const out = new Float32Array(planes * h * w);
  for (let p = 0; p < planes; p++)
    for (let y = 0; y < h; y++) {
      const from = (p * H + top + y) * W + left;
      out.set(x.data.subarray(from, from + w), (p * h + y) * w);
    }
  return float32(out, [planes, h, w]);
}

function requireRoom(shape: readonly number[], size: readonly number[], fits: boolean): void {
  if (!fits)
    throw new ConfigError(
      `size: expected at most the slices' ${formatShape(shape.slice(-2))}, got ${formatShape(size)}. Choose a smaller size.`,
    );
}
