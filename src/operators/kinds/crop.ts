import { ShapeError } from "../../core/errors.ts";
import { wholePair } from "../../core/kinds.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { slice } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { imageShape, pickedPixels, type Size } from "./images.ts";

/** A x = x[:, top : top + h, left : left + w]: a window of images [B, C, H, W]. */
export function crop([top, left]: Size, [h, w]: Size): LinearOperator {
  return (x) => slice(slice(x, 2, top, top + h), 3, left, left + w);
}

/** The start of the window in the centre, rounded towards the first pixel. */
function centredStart(latentShape: Shape, [h, w]: Size): Size {
  const [, H, W] = latentShape as [number, number, number];
  return [Math.floor((H - h) / 2), Math.floor((W - w) / 2)];
}

/**
 * One window for all observations; windows that differ are masks.
 * @param size height and width of the window
 * @param start its first row and column; default the centred window
 */
export function cropFamily(latentShape: Shape, size: Size, start?: Size): OperatorFamily {
  const [C, H, W] = imageShape(latentShape, "crop");
  const first = start ?? centredStart(latentShape, size);
  if (first[0] < 0 || first[1] < 0 || first[0] + size[0] > H || first[1] + size[1] > W)
    throw new ShapeError(
      `crop: the window must lie inside images ${formatShape(latentShape)}, got size ${formatShape(size)} from ${formatShape(first)}.`,
    );
  return {
    latentShape,
    observationShape: [C, ...size],
    data: {},
    masks: {},
    picks: pickedPixels(latentShape, first, 1, size),
    bind: () => crop(first, size),
  };
}

export const cropKind: OperatorKind = {
  name: "crop",
  fields: ["size", "start"],
  arrays: [],
  family: (spec, latentShape) =>
    cropFamily(
      latentShape,
      spec.read("size", wholePair(1)),
      spec.has("start") ? spec.read("start", wholePair(0)) : undefined,
    ),
  simulations: [simulation("crop", { size: "size" }, (operator) => ({ operator }))],
  examples: [
    { spec: { name: "crop", size: [3, 2] }, latentShape: [2, 6, 5] },
    { spec: { name: "crop", size: [3, 2], start: [3, 0] }, latentShape: [1, 6, 5] },
  ],
};
