import { ShapeError } from "../../core/errors.ts";
import { GRIDS, type Grid, gridOf } from "../../core/grid.ts";
import { list, whole } from "../../core/kinds.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, type Shape, stridesOf } from "../../core/shape.ts";
import { reshape, type Tensor } from "../../graph/index.ts";

/** A number of places for each axis of a grid; of an image height and width. */
export type Size = readonly number[];

/** Sizes as options give them. */
export const SIZES = list(whole(1), "whole numbers >= 1, one for each axis or one for all");

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
  const shape = [channels, ...size];
  expectBearable(shape, "places");
  const strides = stridesOf([channels, ...lengths]);
  // From the last axis outwards: each axis repeats what is inside it, moved to its places.
  return shape.reduceRight<Int32Array>((inside, n, axis) => {
    const [first, apart] = axis === 0 ? [0, 1] : [start[axis - 1]!, step];
    const all = new Int32Array(n * inside.length);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < inside.length; j++)
        all[i * inside.length + j] = inside[j]! + (first + i * apart) * strides[axis]!;
    return all;
  }, Int32Array.of(0));
}

/** The planes of the last two axes, [B, C, ...lengths] to [B, planes, H, W]; a signal is one row. */
export function planes(x: Tensor): Tensor {
  const [B, , ...lengths] = x.shape as [number, number, ...number[]];
  return reshape(x, [B, -1, ...(lengths.length === 1 ? [1] : []), ...lengths.slice(-2)]);
}
