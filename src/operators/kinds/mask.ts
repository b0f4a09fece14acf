import { ShapeError } from "../../core/errors.ts";
import { arrayShape, finite } from "../../core/kinds.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../../core/shape.ts";
import { mul, reshape, type Tensor } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { ArrayShapes, OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";
import { type SpecFields, specError } from "../spec.ts";
import { isMaskShape } from "./mask-shape.ts";
import { SIZES } from "./places.ts";
import { planBox, planMask } from "./random-masks.ts";

/** A x = m * x: keeps the entries where the mask is 1. @param m [B, ...], broadcasts to x, its axes aligned at the end */
export function mask(m: Tensor): LinearOperator {
  return (x) => mul(alignMask(m, x.shape), x);
}

/** Masks on latents of one shape. @param maskShape broadcasts to the latent shape, as [1, H, W] for all channels */
export function maskFamily(latentShape: Shape, maskShape: Shape): OperatorFamily {
  return {
    latentShape,
    observationShape: latentShape,
    data: { mask: maskShape },
    masks: { mask: maskIndices(maskShape, latentShape) },
    picks: Int32Array.from({ length: sizeOf(latentShape) }, (_, i) => i),
    bind: (data) => mask(data.mask!),
  };
}

/** The mask [B, ...maskShape] with axes of 1 after the batch axis, so that it broadcasts to [B, ...]. */
export function alignMask(m: Tensor, shape: Shape): Tensor {
  const [B, ...own] = m.shape as [number, ...number[]];
  const missing = shape.length - m.shape.length;
  return missing > 0 ? reshape(m, [B, ...new Array<number>(missing).fill(1), ...own]) : m;
}

/** For each flat entry of a shape, the flat entry of the mask that covers it. [size(shape)] @throws ShapeError */
export function maskIndices(maskShape: Shape, shape: Shape): Int32Array {
  if (!isMaskShape(maskShape, shape))
    throw new ShapeError(
      `maskIndices: the mask must broadcast to ${formatShape(shape)}, got ${formatShape(maskShape)}.`,
    );
  expectBearable(shape, "maskIndices");
  const lead = shape.length - maskShape.length;
  const strides = stridesOf(maskShape);
  // From the last axis outwards: each axis repeats what is inside it, shifted where the mask has that axis too.
  return shape.reduceRight<Int32Array>((inside, size, axis) => {
    const step = (maskShape[axis - lead] ?? 1) === 1 ? 0 : strides[axis - lead]!;
    const all = new Int32Array(size * inside.length);
    for (let i = 0; i < size; i++)
      for (let j = 0; j < inside.length; j++) all[i * inside.length + j] = inside[j]! + i * step;
    return all;
  }, Int32Array.of(0));
}

/** The field `maskShape` of a specification. @param shape what the mask spreads over */
export function maskShapeOf(spec: SpecFields, shape: Shape): Shape {
  const found = spec.read("maskShape", arrayShape);
  if (!isMaskShape(found, shape))
    throw specError(spec.path("maskShape"), `a shape that broadcasts to ${formatShape(shape)}`, found);
  return found;
}

/** `maskShape` as the imported array `mask` tells it. */
export function maskFields({ mask }: ArrayShapes): object | undefined {
  return mask && { maskShape: mask.shape.slice(1) };
}

export const maskKind: OperatorKind = {
  name: "mask",
  fields: ["maskShape"],
  family: (spec, latentShape) => maskFamily(latentShape, maskShapeOf(spec, latentShape)),
  arrays: ["mask"],
  isImplied: true,
  fieldsOf: maskFields,
  latentShapeOf: (observationShape) => observationShape,
  simulations: [
    simulation("mask", { "deleted?": finite }, ({ deleted = 0.75, maskShape }, latentShape) =>
      planMask(deleted, maskShape, latentShape),
    ),
    simulation("box", { size: SIZES, "margin?": finite }, ({ size, margin = 0 }, latentShape) =>
      planBox(size, margin, latentShape),
    ),
  ],
  examples: [
    { spec: { name: "mask", maskShape: [3, 4, 2] }, latentShape: [3, 4, 2] },
    { spec: { name: "mask", maskShape: [4, 1] }, latentShape: [3, 4, 2] },
    { spec: { name: "mask", maskShape: [1, 2, 3, 2] }, latentShape: [2, 2, 3, 2] },
  ],
};
