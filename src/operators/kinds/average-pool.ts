import { ShapeError } from "../../core/errors.ts";
import { whole } from "../../core/kinds.ts";
import { formatShape, type Shape } from "../../core/shape.ts";
import { averagePool, reshape, type Tensor } from "../../graph/index.ts";
import type { OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { expectGrid, planes } from "./places.ts";

/** Means over blocks of `size` places along each axis of [B, C, ...lengths]. */
function averageBlocks(x: Tensor, size: number): Tensor {
  const [B, C, ...lengths] = x.shape as [number, number, ...number[]];
  const [depth] = lengths.slice(0, -2);
  const inPlanes = averagePool(planes(x), lengths.length === 1 ? [1, size] : size);
  const means = depth === undefined ? inPlanes : averagePool(reshape(inPlanes, [B, C, depth, -1]), [size, 1]);
  return reshape(means, [B, C, ...lengths.map((length) => length / size)]);
}

/**
 * Means over blocks of size x size pixels, as a coarser detector sees them; the inverse problem is super-resolution. Blocks of
 * signals have 1 axis, and blocks of volumes have 3.
 * @param size divides all lengths. Observations are [C, H / size, W / size].
 */
export function averagePoolFamily(latentShape: Shape, size: number): OperatorFamily {
  const { channels, lengths } = expectGrid(latentShape, "average-pool");
  if (lengths.some((length) => length % size !== 0))
    throw new ShapeError(
      `average-pool: size must divide all lengths of ${formatShape(latentShape)}, got ${size}.`,
    );
  return {
    latentShape,
    observationShape: [channels, ...lengths.map((length) => length / size)],
    data: {},
    masks: {},
    orthogonal: true,
    bind: () => (x) => averageBlocks(x, size),
  };
}

export const averagePoolKind: OperatorKind = {
  name: "average-pool",
  fields: ["size"],
  arrays: [],
  latentShapeOf: ([C, ...lengths], _, { size }) =>
    typeof size === "number" ? [C!, ...lengths.map((length) => length * size)] : undefined,
  family: (spec, latentShape) => averagePoolFamily(latentShape, spec.read("size", whole(1))),
  simulations: [simulation("average-pool", { size: whole(1) }, (operator) => ({ operator }))],
  examples: [
    { spec: { name: "average-pool", size: 2 }, latentShape: [2, 4, 6] },
    { spec: { name: "average-pool", size: 3 }, latentShape: [2, 6] },
    { spec: { name: "average-pool", size: 2 }, latentShape: [2, 2, 4, 6] },
  ],
};
