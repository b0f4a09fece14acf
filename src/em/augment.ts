import type { Rng } from "../core/random.ts";
import type { Shape } from "../core/shape.ts";

/** Random changes of a training image under which a likely image stays likely. */
export type Augmentation = "flip" | "shift";

/** Shifts reach up to this many pixels each way, as in the reference code for MRI. */
export const LARGEST_SHIFT = 4;

/**
 * Changes one training image at random, in place.
 *   flip    left and right exchanged with probability 1/2
 *   shift   moved by up to 4 pixels along each axis; what enters is the reflection at the border (without repeating it)
 * Shifts are limited to one pixel less than the image's side.
 * @param row one image, flattened      @param shape [C, H, W] or [H, W]; other latents are left as they are
 * @param rng the stream that decides; the same number of draws is made for every image
 */
export function augment(
  row: Float32Array,
  shape: Shape,
  augmentations: readonly Augmentation[],
  rng: Rng,
): void {
  if (shape.length < 2 || shape.length > 3) return;
  const [H, W] = shape.slice(-2) as [number, number];
  if (augmentations.includes("flip") && rng.uniform() < 0.5) remap(row, H, W, (y, x) => y * W + W - 1 - x);
  if (augmentations.includes("shift")) {
    const draw = (side: number) => {
      const most = Math.min(LARGEST_SHIFT, side - 1);
      return rng.integer(2 * most + 1) - most;
    };
    const dy = draw(H);
    const dx = draw(W);
    if (dy !== 0 || dx !== 0) remap(row, H, W, (y, x) => reflect(y - dy, H) * W + reflect(x - dx, W));
  }
}

/** Index -1 reads 1, index n reads n - 2. */
function reflect(index: number, n: number): number {
  if (index < 0) return -index;
  return index < n ? index : 2 * (n - 1) - index;
}

/** Replaces each pixel of each channel by another one of the same channel. */
function remap(row: Float32Array, H: number, W: number, source: (y: number, x: number) => number): void {
  const plane = new Float32Array(H * W);
  for (let start = 0; start < row.length; start += H * W) {
    plane.set(row.subarray(start, start + H * W));
    for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) row[start + y * W + x] = plane[source(y, x)]!;
  }
}
