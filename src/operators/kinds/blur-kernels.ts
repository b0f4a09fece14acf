/** Kernels of blurs to simulate; all are positive and sum to one, so that brightness stays. */

import { ConfigError } from "../../core/errors.ts";
import { expectBearable } from "../../core/limits.ts";
import type { NestedNumbers } from "../../core/nested.ts";
import type { Rng } from "../../core/random.ts";

/**
 * h[k, l] ~ exp(-(k^2 + l^2) / (2 deviation^2)), k and l counted from the centre; likewise along 1 and 3 axes.
 * @param size along each axis, odd     @param deviation in places, above 0     @returns [size, size], by rows
 */
export function gaussianKernel(size: number, deviation: number, axes: number): NestedNumbers {
  expectOdd(size);
  if (!(deviation > 0)) throw new ConfigError(`blur: deviation must be above 0 pixels, got ${deviation}.`);
  const half = (size - 1) / 2;
  const profile = Array.from({ length: size }, (_, k) => Math.exp(-((k - half) ** 2) / (2 * deviation ** 2)));
  const total = profile.reduce((sum, value) => sum + value, 0) ** axes;
  const along = (left: number, factor: number): NestedNumbers =>
    profile.map((value) => (left === 1 ? (factor * value) / total : along(left - 1, factor * value)));
  return along(axes, 1);
}

/** Points of a path for each pixel of the kernel's size: neighbours are then at most a tenth of a pixel apart. */
const POINTS_PER_PIXEL = 10;

/**
 * The path of a camera that moves at constant speed while its direction wanders as Brownian motion: a straight line at
 * intensity 0, a scribble at 1. Its length is uniform between half the kernel's width and all of it; it is centred, and
 * drawn with bilinear weights.
 * @param size rows and columns, odd     @param intensity in [0, 1]     @returns [size * size], by rows
 */
export function motionKernel(size: number, intensity: number, rng: Rng): Float32Array {
  expectOdd(size);
  if (!(intensity >= 0 && intensity <= 1))
    throw new ConfigError(`blur: intensity must lie in [0, 1], got ${intensity}.`);
  const points = size * POINTS_PER_PIXEL;
  const length = (size - 1) * (0.5 + 0.5 * rng.uniform());
  let direction = 2 * Math.PI * rng.uniform();
  let [row, column] = [0, 0];
  const path = Array.from({ length: points }, () => {
    direction += ((intensity * Math.PI) / Math.sqrt(points)) * rng.normal();
    row += (Math.sin(direction) * length) / points;
    column += (Math.cos(direction) * length) / points;
    return [row, column] as const;
  });
  // The middle between the extremes, so that the path fits in the kernel whichever way it bends.
  const middle = (axis: 0 | 1) => {
    const ends = path.reduce(
      ([least, most], { [axis]: at }) => [Math.min(least, at), Math.max(most, at)],
      [Infinity, -Infinity],
    );
    return (ends[0]! + ends[1]!) / 2;
  };
  const [top, left] = [(size - 1) / 2 - middle(0), (size - 1) / 2 - middle(1)];
  const kernel = new Float32Array(size * size);
  for (const point of path) {
    const [k, l] = [point[0] + top, point[1] + left];
    const [k0, l0] = [Math.floor(k), Math.floor(l)];
    for (const [dk, dl] of CORNERS) {
      const weight = (1 - Math.abs(k - k0 - dk)) * (1 - Math.abs(l - l0 - dl));
      if (weight > 0) kernel[(k0 + dk) * size + l0 + dl]! += weight / points;
    }
  }
  return kernel;
}

const CORNERS = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

function expectOdd(size: number): void {
  if (!Number.isSafeInteger(size) || size < 1 || size % 2 === 0)
    throw new ConfigError(`blur: size must be a positive odd number of pixels, got ${size}.`);
  expectBearable([size, size], "blur: kernel");
}
