import { whole } from "../../core/kinds.ts";
import type { Shape } from "../../core/shape.ts";
import { slice } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { expectGrid, pickedPlaces } from "./places.ts";

/** A x = x[:, ::step, ::step]: every step-th place along each axis of [B, C, ...lengths], the first included. */
export function subsample(step: number): LinearOperator {
  return (x) => {
    const [, , ...lengths] = x.shape;
    return lengths.reduce((kept, length, k) => slice(kept, k + 2, 0, length, step), x);
  };
}

/** One step for all observations, which of images are [C, ceil(H / step), ceil(W / step)]. */
export function subsampleFamily(latentShape: Shape, step: number): OperatorFamily {
  const grid = expectGrid(latentShape, "subsample");
  const size = grid.lengths.map((length) => Math.ceil(length / step));
  return {
    latentShape,
    observationShape: [grid.channels, ...size],
    data: {},
    masks: {},
    picks: pickedPlaces(
      grid,
      size.map(() => 0),
      step,
      size,
    ),
    bind: () => subsample(step),
  };
}

export const subsampleKind: OperatorKind = {
  name: "subsample",
  fields: ["step"],
  arrays: [],
  family: (spec, latentShape) => subsampleFamily(latentShape, spec.read("step", whole(1))),
  simulations: [simulation("subsample", { step: whole(1) }, (operator) => ({ operator }))],
  examples: [
    { spec: { name: "subsample", step: 2 }, latentShape: [2, 5, 4] },
    { spec: { name: "subsample", step: 3 }, latentShape: [2, 7] },
    { spec: { name: "subsample", step: 2 }, latentShape: [1, 3, 5, 4] },
  ],
};
