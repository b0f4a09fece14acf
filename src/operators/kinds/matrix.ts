import { whole } from "../../core/kinds.ts";
import { expectBearable } from "../../core/limits.ts";
import type { Rng } from "../../core/random.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { matmul, reshape, type Tensor } from "../../graph/index.ts";
import type { LinearOperator, OperatorFamily } from "../operator.ts";
import type { OperatorKind } from "../operator-kind.ts";
import { simulation } from "../simulation.ts";

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

/** Rows uniform on the unit sphere: normals, normalized. */
function spherical(rng: Rng, rows: number, width: number): Float32Array {
  expectBearable([rows, width], "matrix");
  const matrix = new Float32Array(rows * width);
  rng.fillNormal(matrix);
  for (let start = 0; start < matrix.length; start += width) {
    const row = matrix.subarray(start, start + width);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    row.forEach((value, i) => {
      row[i] = value / norm;
    });
  }
  return matrix;
}

export const matrixKind: OperatorKind = {
  name: "matrix",
  fields: ["measurements"],
  family: (spec, latentShape, observationShape) => {
    const isImplied = !spec.has("measurements") && observationShape?.length === 1;
    return matrixFamily(latentShape, isImplied ? observationShape[0]! : spec.read("measurements", whole(1)));
  },
  arrays: ["matrix"],
  isImplied: true,
  fieldsOf: ({ matrix }, observationAxes) =>
    matrix && observationAxes !== 1 ? { measurements: matrix.shape[1] } : undefined,
  latentShapeOf: (_, { matrix }) => matrix && [matrix.shape.at(-1)!],
  simulations: [
    simulation("matrix", { measurements: whole(1) }, ({ measurements }, latentShape) => ({
      operator: { name: "matrix", measurements },
      draw: (rng) => ({ matrix: spherical(rng, measurements, sizeOf(latentShape)) }),
    })),
  ],
  examples: [
    { spec: { name: "matrix", measurements: 3 }, latentShape: [5] },
    { spec: { name: "matrix", measurements: 7 }, latentShape: [2, 3, 2] },
  ],
};
