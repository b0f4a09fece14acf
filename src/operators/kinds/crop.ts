import { ShapeError } from "../../core/errors.ts";
import { wholes } from "../../core/kinds.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { slice } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { expectGrid, pickedPlaces, SIZES, type Size, sizeOn } from "./places.ts";

/** A x = x[:, top : top + h, left : left + w]: a window of images [B, C, H, W]; likewise along 1 and 3 axes. */
export function crop(start: Size, size: Size): LinearOperator {
  return (x) => size.reduce((cut, n, k) => slice(cut, k + 2, start[k]!, start[k]! + n), x);
}

/**
 * One window for all observations. For windows that differ use a mask.
 * @param size of the window, along each axis
 * @param start its first place; default the centred window, rounded towards the first
 */
export function cropFamily(latentShape: Shape, size: Size, start?: Size): OperatorFamily {
  const grid = expectGrid(latentShape, "crop");
  const first = start ?? grid.lengths.map((length, k) => Math.floor((length - size[k]!) / 2));
  if (grid.lengths.some((length, k) => !(first[k]! >= 0 && first[k]! + size[k]! <= length)))
    throw new ShapeError(
      `crop: the window must lie inside latents ${formatShape(latentShape)}, got size ${formatShape(size)} from ${formatShape(first)}.`,
    );
  return {
    latentShape,
    observationShape: [grid.channels, ...size],
    data: {},
    masks: {},
    picks: pickedPlaces(grid, first, 1, size),
    bind: () => crop(first, size),
  };
}

export const cropKind: OperatorKind = {
  name: "crop",
  fields: ["size", "start"],
  arrays: [],
  family: (spec, latentShape) => {
    const axes = expectGrid(latentShape, "crop").lengths.length;
    const start = spec.has("start") ? spec.read("start", wholes(axes, 0)) : undefined;
    return cropFamily(latentShape, spec.read("size", wholes(axes, 1)), start);
  },
  simulations: [
    simulation("crop", { size: SIZES }, ({ size, ...others }, latentShape) => ({
      operator: { ...others, size: sizeOn(expectGrid(latentShape, "crop"), size) },
    })),
  ],
  examples: [
    { spec: { name: "crop", size: [3, 2] }, latentShape: [2, 6, 5] },
    { spec: { name: "crop", size: [3, 2], start: [3, 0] }, latentShape: [1, 6, 5] },
    { spec: { name: "crop", size: [3] }, latentShape: [2, 6] },
    { spec: { name: "crop", size: [2, 3, 1] }, latentShape: [2, 3, 4, 5] },
  ],
};
