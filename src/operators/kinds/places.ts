import { ShapeError } from "../../core/errors.ts";
import { GRIDS, type Grid, gridOf } from "../../core/grid.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { reshape, type Tensor } from "../../graph/index.ts";

/** A number of places for each axis of a grid; of an image height and width. */
export type Size = readonly number[];

/** The grid of latents. @throws ShapeError unless they have one */
export function expectGrid(latentShape: Shape, where: string): Grid {
  const grid = gridOf(latentShape);
  if (!grid)
    throw new ShapeError(
      `${where}: latents must be ${GRIDS}, got ${formatShape(latentShape)}. Use a matrix for other shapes.`,
    );
  return grid;
}

/** `size` along each axis; one number holds for all. */
export function sizeOn({ lengths }: Grid, size: Size): Size {
  return size.length === 1 ? lengths.map(() => size[0]!) : size;
}

/** For each entry of y [C, ...size], the flat entry of x at start + i step along each axis. */
export function pickedPlaces({ channels, lengths }: Grid, start: Size, step: number, size: Size): Int32Array {
  expectBearable([channels, ...size], "places");
  // From the last axis outwards, as the entries lie.
  let stride = 1;
  let picked = [0];
  for (const [axis, n] of [...size.entries()].toReversed()) {
    const inside = picked;
    const apart = stride;
    picked = Array.from({ length: n }, (_, i) => (start[axis]! + i * step) * apart).flatMap((at) =>
      inside.map((place) => at + place),
    );
    stride *= lengths[axis]!;
  }
  const all = new Int32Array(channels * picked.length);
  for (let c = 0; c < channels; c++)
    for (const [p, place] of picked.entries()) all[c * picked.length + p] = c * stride + place;
  return all;
}

/** The planes of the last two axes, [B, C, ...lengths] to [B, planes, H, W]; a signal is one row. */
export function planes(x: Tensor): Tensor {
  const [B, , ...lengths] = x.shape as [number, number, ...number[]];
  return reshape(x, [B, -1, ...(lengths.length === 1 ? [1] : []), ...lengths.slice(-2)]);
}
