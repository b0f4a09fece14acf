import { whole } from "../../core/kinds.ts";
import type { Shape } from "../../core/shape.ts";
import { slice } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { imageShape, pickedPixels } from "./images.ts";

/** A x = x[:, ::step, ::step]: every step-th pixel of images [B, C, H, W], the first included. */
export function subsample(step: number): LinearOperator {
  return (x) => slice(slice(x, 2, 0, x.shape[2]!, step), 3, 0, x.shape[3]!, step);
}

/** One step for all observations, which are [C, ceil(H / step), ceil(W / step)]. */
export function subsampleFamily(latentShape: Shape, step: number): OperatorFamily {
  const [C, H, W] = imageShape(latentShape, "subsample");
  const size = [Math.ceil(H / step), Math.ceil(W / step)] as const;
  return {
    latentShape,
    observationShape: [C, ...size],
    data: {},
    masks: {},
    picks: pickedPixels(latentShape, [0, 0], step, size),
    bind: () => subsample(step),
  };
}

export const subsampleKind: OperatorKind = {
  name: "subsample",
  fields: ["step"],
  arrays: [],
  family: (spec, latentShape) => subsampleFamily(latentShape, spec.read("step", whole(1))),
  simulations: [simulation("subsample", { step: "whole" }, (operator) => ({ operator }))],
  examples: [{ spec: { name: "subsample", step: 2 }, latentShape: [2, 5, 4] }],
};
