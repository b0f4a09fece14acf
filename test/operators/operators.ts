import { float32, type HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { maskFamily } from "../../src/operators/kinds/mask.ts";
import { matrixFamily } from "../../src/operators/kinds/matrix.ts";
import type { OperatorFamily } from "../../src/operators/operator.ts";
import { normals } from "../diffusion/support.ts";

interface OperatorCase {
  readonly name: string;
  readonly family: OperatorFamily;
  /** Data of one operator per sample, the same for the same stream. */
  readonly data: (rng: Rng, batch: number) => Record<string, HostArray<"float32">>;
  /** A x of one sample, by its definition, in float64. */
  readonly apply: (data: Record<string, Float32Array>, x: number[]) => number[];
}

function bits(rng: Rng, shape: Shape): HostArray<"float32"> {
  return float32(
    Array.from({ length: sizeOf(shape) }, () => Number(rng.uniform() < 0.5)),
    shape,
  );
}

/** Operators with their definition in float64, for tests against dense algebra. */
export const OPERATORS: readonly OperatorCase[] = [
  {
    name: "mask",
    family: maskFamily([3, 4, 2], [3, 4, 2]),
    data: (rng, batch) => ({ mask: bits(rng, [batch, 3, 4, 2]) }),
    apply: ({ mask }, x) => x.map((value, i) => value * mask![i]!),
  },
  {
    name: "mask shared by the channels",
    family: maskFamily([3, 4, 2], [1, 4, 2]),
    data: (rng, batch) => ({ mask: bits(rng, [batch, 1, 4, 2]) }),
    apply: ({ mask }, x) => x.map((value, i) => value * mask![i % 8]!),
  },
  {
    name: "matrix",
    family: matrixFamily([5], 3),
    data: (rng, batch) => ({ matrix: normals(rng, [batch, 3, 5]) }),
    apply: ({ matrix }, x) =>
      [0, 1, 2].map((row) =>
        x.reduce((total, value, column) => total + matrix![5 * row + column]! * value, 0),
      ),
  },
  {
    name: "matrix on images",
    family: matrixFamily([2, 3, 2], 7),
    data: (rng, batch) => ({ matrix: normals(rng, [batch, 7, 12]) }),
    apply: ({ matrix }, x) =>
      Array.from({ length: 7 }, (_, row) =>
        x.reduce((total, value, column) => total + matrix![12 * row + column]! * value, 0),
      ),
  },
];
