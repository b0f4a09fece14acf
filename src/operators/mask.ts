import { type Shape, sizeOf } from "../core/shape.ts";
import { mul, sum, type Tensor } from "../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "./operator.ts";

/** A x = m * x: keeps the entries where the mask is 1. @param m [B, ...], broadcasts to x */
export function mask(m: Tensor): LinearOperator {
  return (x) => mul(m, x);
}

/** Masks on latents of one shape. @param maskShape broadcasts to the latent shape, as [1, H, W] for all channels */
export function maskFamily(latentShape: Shape, maskShape: Shape): OperatorFamily {
  return {
    latentShape,
    observationShape: latentShape,
    data: { mask: maskShape },
    measured: ({ mask: m }) =>
      mul(
        sum(
          m!,
          maskShape.map((_, axis) => axis + 1),
        ),
        sizeOf(latentShape) / sizeOf(maskShape),
      ),
    bind: (data) => mask(data.mask!),
  };
}
