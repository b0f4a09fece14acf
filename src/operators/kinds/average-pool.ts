import { ShapeError } from "../../core/errors.ts";
import { whole } from "../../core/kinds.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { averagePool } from "../../graph/index.ts";
import type { OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { imageShape } from "./images.ts";

/**
 * Means over blocks of size x size pixels, what a coarser detector sees; its inverse problem is super-resolution.
 * @param size divides height and width. Observations are [C, H / size, W / size].
 */
export function averagePoolFamily(latentShape: Shape, size: number): OperatorFamily {
  const [C, H, W] = imageShape(latentShape, "average-pool");
  if (H % size !== 0 || W % size !== 0)
    throw new ShapeError(
      `average-pool: size must divide height and width of ${formatShape(latentShape)}, got ${size}.`,
    );
  return {
    latentShape,
    observationShape: [C, H / size, W / size],
    data: {},
    masks: {},
    bind: () => (x) => averagePool(x, size),
  };
}

export const averagePoolKind: OperatorKind = {
  name: "average-pool",
  fields: ["size"],
  arrays: [],
  latentShapeOf: ([C, ...lengths], _, { size }) =>
    typeof size === "number" ? [C!, ...lengths.map((length) => length * size)] : undefined,
  family: (spec, latentShape) => averagePoolFamily(latentShape, spec.read("size", whole(1))),
  simulations: [simulation("average-pool", { size: "whole" }, (operator) => ({ operator }))],
  examples: [{ spec: { name: "average-pool", size: 2 }, latentShape: [2, 4, 6] }],
};
