import { float32 } from "../../core/array.ts";
import { ShapeError } from "../../core/errors.ts";
import { expectBearable } from "../../core/limits.ts";
import { formatShape, normalizeAxis } from "../../core/shape.ts";
import { reshape } from "../ops/broadcast.ts";
import { matmul } from "../ops/matmul.ts";
import { slice, transpose } from "../ops/movement.ts";
import { constant, type Tensor } from "../tensor.ts";
import type { Builder } from "./read-arrays.ts";

/** exp(-+ 2 pi i j n / N) as [Re | Im] rows; real and imaginary parts are the last axis of a signal. */
export const dft: Builder = (n) => {
  const x = n.input(0);
  const rank = x.shape.length;
  const axis = normalizeAxis(
    n.has(2) ? n.constants(2)[0]! : n.integer("axis", n.opset < 20 ? 1 : -2),
    rank,
    "DFT",
  );
  const isInverse = n.integer("inverse", 0) === 1;
  const size = x.shape[axis]!;
  const N = n.has(1) ? n.constants(1)[0]! : size;
  const parts = x.shape.at(-1)!;
  if (parts > 2 || axis === rank - 1)
    throw new ShapeError(
      `DFT: real or complex numbers in the last axis expected, got ${formatShape(x.shape)}.`,
    );
  const kept = n.integer("onesided", 0) === 1 ? Math.floor(N / 2) + 1 : N;
  const used = Math.min(size, N);
  const moved = transposeToEnd(slice(x, axis, 0, used), axis);
  const M = dftMatrix({ N, kept, used, parts, isInverse });
  const flat = reshape(moved, [-1, used * parts]);
  const y = reshape(matmul(flat, M), [...moved.shape.slice(0, -2), kept, 2]);
  return transposeFromEnd(y, axis);
};

function dftMatrix(of: { N: number; kept: number; used: number; parts: number; isInverse: boolean }): Tensor {
  const { N, kept, used, parts, isInverse } = of;
  expectBearable([used * parts, kept * 2], "DFT");
  const M = new Float32Array(used * parts * kept * 2);
  for (let j = 0; j < used; j++)
    for (let k = 0; k < kept; k++) {
      const angle = ((isInverse ? 2 : -2) * Math.PI * ((j * k) % N)) / N;
      const [c, s] = [Math.cos(angle), Math.sin(angle)].map((value) => value / (isInverse ? N : 1)) as [
        number,
        number,
      ];
      const at = (part: number) => (j * parts + part) * kept * 2 + k * 2;
      M.set([c, s], at(0));
      if (parts === 2) M.set([-s, c], at(1));
    }
  return constant(float32(M, [used * parts, kept * 2]));
}

/** Brings an axis next to the last one, and back. */
function transposeToEnd(x: Tensor, axis: number): Tensor {
  const last = x.shape.length - 1;
  const others = x.shape.flatMap((_, k) => (k === axis || k === last ? [] : [k]));
  return transpose(x, [...others, axis, last]);
}
function transposeFromEnd(y: Tensor, axis: number): Tensor {
  const last = y.shape.length - 1;
  const order = Array.from({ length: last - 1 }, (_, k) => k);
  order.splice(axis, 0, last - 1);
  return transpose(y, [...order, last]);
}
