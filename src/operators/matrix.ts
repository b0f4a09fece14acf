import { type Shape, sizeOf } from "../core/shape.ts";
import { matmul, reshape, type Tensor } from "../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "./operator.ts";

/** A x as a dense matrix on flattened latents. @param A [B, M, N]. Observations are [B, M]. */
export function matrix(A: Tensor): LinearOperator {
  const [B, M, N] = A.shape as [number, number, number];
  return (x) => reshape(matmul(A, reshape(x, [B, N, 1])), [B, M]);
}

/** One M x N matrix per observation. */
export function matrixFamily(latentShape: Shape, measurements: number): OperatorFamily {
  return {
    latentShape,
    observationShape: [measurements],
    data: { matrix: [measurements, sizeOf(latentShape)] },
    masks: {},
    bind: (data) => matrix(data.matrix!),
  };
}
