import { ConfigError } from "../../core/errors.ts";
import type { Rng } from "../../core/random.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { reshape, slice, type Tensor } from "../../graph/index.ts";
import { scaleSaturation, turnHue } from "./colors.ts";
import { flipImages, shiftImages } from "./moves.ts";

/** A random change of training images under which a likely image stays likely. */
interface Augmentation {
  /** Completes "random changes of the draws that training sees". */
  readonly meaning: string;
  /** What latents it changes: any image, or one of three channels. */
  readonly images: "any" | "RGB";
  /** How many random numbers an image takes. */
  readonly count: number;
  /** They are drawn on the host, from the step's stream. @param shape [C, H, W] */
  readonly draw: (rng: Rng, shape: Shape) => readonly number[];
  /** @param x [B, C, H, W] @param numbers [B, 1, 1, 1] each @param black value of black, if it is known */
  readonly apply: (x: Tensor, numbers: readonly Tensor[], black: number | undefined) => Tensor;
}

/** Shifts reach up to this many pixels each way, as in the reference code for MRI. */
const LARGEST_SHIFT = 4;
/** Hue turns by up to this share of the circle either way, as in the reference code for CIFAR-10. */
const LARGEST_TURN = 0.01;
/** Saturation is multiplied by a factor from 1 - this to 1 + this, as in the reference code for CIFAR-10. */
const LARGEST_SATURATION_CHANGE = 0.05;

/** The augmentations by name, in the order in which they draw and change. */
export const AUGMENTATIONS = {
  flip: {
    meaning: "left and right exchanged for half of them",
    images: "any",
    count: 1,
    draw: (rng) => [Number(rng.uniform() < 0.5)],
    apply: (x, [flipped]) => flipImages(x, flipped!),
  },
  shift: {
    meaning: `moved by up to ${LARGEST_SHIFT} pixels along each axis, mirrored at the border (pad and crop)`,
    images: "any",
    count: 2,
    // Shifts are limited to one pixel less than the side.
    draw: (rng, shape) =>
      shape.slice(1).map((side) => {
        const most = Math.min(LARGEST_SHIFT, side - 1);
        return rng.integer(2 * most + 1) - most;
      }),
    apply: (x, [dy, dx]) => shiftImages(x, dy!, dx!),
  },
  hue: {
    meaning: `RGB images: hue turned by up to ${100 * LARGEST_TURN} % of the circle either way`,
    images: "RGB",
    count: 1,
    draw: (rng) => [LARGEST_TURN * (2 * rng.uniform() - 1)],
    apply: (x, [turn]) => turnHue(x, turn!),
  },
  saturation: {
    meaning: `RGB images: HSV saturation multiplied by ${1 - LARGEST_SATURATION_CHANGE} to ${1 + LARGEST_SATURATION_CHANGE}`,
    images: "RGB",
    count: 1,
    draw: (rng) => [1 + LARGEST_SATURATION_CHANGE * (2 * rng.uniform() - 1)],
    apply: (x, [factor], black) => scaleSaturation(x, factor!, black),
  },
} as const satisfies Readonly<Record<string, Augmentation>>;

/** Names of the augmentations. */
export type AugmentationName = keyof typeof AUGMENTATIONS;
export const AUGMENTATION_NAMES = Object.keys(AUGMENTATIONS) as AugmentationName[];

function chosen(names: readonly AugmentationName[]): Augmentation[] {
  return AUGMENTATION_NAMES.filter((name) => names.includes(name)).map((name) => AUGMENTATIONS[name]);
}

/** Random numbers that one image takes for its changes. */
export function augmentationNumbers(names: readonly AugmentationName[]): number {
  return chosen(names).reduce((total, { count }) => total + count, 0);
}

/** Draws the numbers of one image. @param shape [C, H, W] @returns as many for every image */
export function drawAugmentation(names: readonly AugmentationName[], shape: Shape, rng: Rng): number[] {
  return chosen(names).flatMap(({ draw }) => draw(rng, shape));
}

/**
 * Changes training images at random.
 * @param x [B, C, H, W]
 * @param numbers from `drawAugmentation`, a row for each image, [B, augmentationNumbers]
 * @param black value of black, if it is known
 */
export function augment(
  x: Tensor,
  names: readonly AugmentationName[],
  numbers: Tensor,
  black?: number,
): Tensor {
  const B = x.shape[0]!;
  let changed = x;
  let used = 0;
  for (const { count, apply } of chosen(names)) {
    const own = Array.from({ length: count }, (_, i) =>
      reshape(slice(numbers, 1, used + i, used + i + 1), [B, 1, 1, 1]),
    );
    changed = apply(changed, own, black);
    used += count;
  }
  return changed;
}

/** @throws ConfigError if one of them cannot change latents of this shape */
export function checkAugmentations(names: readonly AugmentationName[], latentShape: Shape): void {
  for (const name of names) {
    const rgb = AUGMENTATIONS[name].images === "RGB";
    if (latentShape.length !== 3 || (rgb && latentShape[0] !== 3))
      throw new ConfigError(
        `mStep.augment: "${name}" needs ${rgb ? "RGB images [3, H, W]" : "images [C, H, W]"}, got latents ${formatShape(latentShape)}. Leave it out.`,
      );
  }
}
