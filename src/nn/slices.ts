/**
 * The images that a network computes with in place of signals and volumes, so that the engine's convolutions of images
 * serve all of them: a signal is an image of one row, a volume one image for each slice. Slices are in the batch, slice d
 * of sample b at d B + b, so that a slice's neighbours lie B images away.
 */
import type { Shape } from "../core/shape.ts";
import {
  concat,
  expand,
  pad,
  reshape,
  resizeNearest,
  slice,
  type Tensor,
  transpose,
} from "../graph/index.ts";

/** What images stand for at one level of a network. */
export interface Slices {
  /** Axes of the grid: 1 for signals, 2 for images, 3 for volumes. */
  readonly axes: number;
  /** Slices of a volume; 1 for signals and images. */
  readonly depth: number;
}

/** Images as they are. */
export const IMAGES: Slices = { axes: 2, depth: 1 };

/** Latents [B, C, ...lengths] as images [depth B, C, H, W]. */
export function toImages(x: Tensor): Tensor {
  const [B, C, ...lengths] = x.shape as [number, number, ...number[]];
  if (lengths.length === 1) return reshape(x, [B, C, 1, lengths[0]!]);
  if (lengths.length === 2) return x;
  const [D, H, W] = lengths as [number, number, number];
  return reshape(transpose(x, [2, 0, 1, 3, 4]), [D * B, C, H, W]);
}

/** The inverse of `toImages`. @param lengths of the latents */
export function fromImages(images: Tensor, lengths: Shape): Tensor {
  const [rows, C, H, W] = images.shape as [number, number, number, number];
  if (lengths.length < 3) return reshape(images, [rows, C, ...lengths]);
  const D = lengths[0]!;
  return transpose(reshape(images, [D, rows / D, C, H, W]), [1, 2, 0, 3, 4]);
}

/** All places of a sample in one axis: [depth B, C, H, W] to [B, C, depth H W]. */
export function joinPlaces(images: Tensor, depth: number): Tensor {
  const [rows, C, H, W] = images.shape as [number, number, number, number];
  const B = rows / depth;
  if (depth === 1) return reshape(images, [B, C, H * W]);
  return reshape(transpose(reshape(images, [depth, B, C, H * W]), [1, 2, 0, 3]), [B, C, depth * H * W]);
}

/** The inverse of `joinPlaces`. @param shape of the images */
export function splitPlaces(x: Tensor, depth: number, shape: Shape): Tensor {
  if (depth === 1) return reshape(x, shape);
  const [rows, C, H, W] = shape as [number, number, number, number];
  return reshape(transpose(reshape(x, [rows / depth, C, depth, H * W]), [2, 0, 1, 3]), shape);
}

/** Numbers per sample and channel, [B or 1, C], next to images: [depth B or 1, C, 1, 1]. */
export function perChannel(x: Tensor, depth: number): Tensor {
  const [B, C] = x.shape as [number, number];
  if (depth === 1 || B === 1) return reshape(x, [B, C, 1, 1]);
  return reshape(expand(reshape(x, [1, B, C]), [depth, B, C]), [depth * B, C, 1, 1]);
}

/**
 * What a kernel of K slices reads, as channels: [depth B, C, H, W] to [depth / stride B, K C, H, W], the first slice's
 * channels first. So a convolution of volumes is one of images with K times the channels. Zeros beyond the ends.
 */
export function neighbours(images: Tensor, depth: number, K: number, stride: number): Tensor {
  const [rows, C, H, W] = images.shape as [number, number, number, number];
  const B = rows / depth;
  const padded = pad(images, 0, (K >> 1) * B, (K >> 1) * B);
  const read = Array.from({ length: K }, (_, k) => {
    const from = slice(padded, 0, k * B, k * B + rows);
    if (stride === 1) return from;
    const kept = slice(reshape(from, [depth, B, C, H, W]), 0, 0, depth, stride);
    return reshape(kept, [rows / stride, C, H, W]);
  });
  return concat(read, 1);
}

/** Every place becomes two along each axis. */
export function enlarge(images: Tensor, { axes, depth }: Slices): Tensor {
  const larger = resizeNearest(images, axes === 1 ? [1, 2] : 2);
  if (axes < 3) return larger;
  const [rows, C, H, W] = larger.shape as [number, number, number, number];
  const slices = reshape(larger, [depth, 1, (rows / depth) * C * H * W]);
  return reshape(expand(slices, [depth, 2, slices.shape[2]!]), [2 * rows, C, H, W]);
}
