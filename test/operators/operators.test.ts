import { describe, expect, test } from "vitest";
import { rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { add, mul } from "../../src/graph/index.ts";
import { adjoint } from "../../src/operators/operator.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";
import { OPERATORS } from "./operators.ts";

const BATCH = 4;
// Sums of at most 24 products in float32.
const FLOAT32 = 2e-6;

describe.each(OPERATORS)("the operator $name", ({ family, data, apply }) => {
  const { latentShape, observationShape } = family;
  const carried = data(new Rng(11), BATCH);
  const x = normals(new Rng(12), [BATCH, ...latentShape]);
  const z = normals(new Rng(13), [BATCH, ...latentShape]);
  const v = normals(new Rng(14), [BATCH, ...observationShape]);

  test("asks for the data that an observation carries, in their shapes", () => {
    expect(Object.keys(carried)).toEqual(Object.keys(family.data));
    for (const [name, { shape }] of Object.entries(carried))
      expect(shape).toEqual([BATCH, ...family.data[name]!]);
  });

  test("applies to each sample the map that its own data stand for", async () => {
    const { y } = await evaluate({ x, ...carried }, ({ x, ...tensors }) => ({ y: family.bind(tensors)(x) }));
    expect(y.shape).toEqual([BATCH, ...observationShape]);
    const expected = Array.from({ length: BATCH }, (_, b) => {
      const own = Object.entries(carried).map(([name, all]) => [name, rows(all, b, b + 1).data]);
      return apply(Object.fromEntries(own), Array.from(rows(x, b, b + 1).data));
    });
    expectAllClose(y.data, expected.flat(), { relative: FLOAT32 });
  });

  test("is linear: A (2 x - 3 z) = 2 A x - 3 A z", async () => {
    const found = await evaluate({ x, z, ...carried }, ({ x, z, ...tensors }) => {
      const operator = family.bind(tensors);
      return {
        together: operator(add(mul(x, 2), mul(z, -3))),
        apart: add(mul(operator(x), 2), mul(operator(z), -3)),
      };
    });
    expectAllClose(found.together, found.apart, { relative: FLOAT32 });
  });

  test("has an adjoint: <A x, v> = <x, A' v> for each sample", async () => {
    const found = await evaluate({ x, v, ...carried }, ({ x, v, ...tensors }) => {
      const operator = family.bind(tensors);
      return { y: operator(x), pulled: adjoint(operator, x, v) };
    });
    expect(found.pulled.shape).toEqual(x.shape);
    const products = (a: Float32Array, b: Float32Array, size: number) =>
      Array.from({ length: BATCH }, (_, k) =>
        a.subarray(k * size, (k + 1) * size).reduce((sum, value, i) => sum + value * b[k * size + i]!, 0),
      );
    expectAllClose(
      products(found.y.data, v.data, sizeOf(observationShape)),
      products(x.data, found.pulled.data, sizeOf(latentShape)),
      { relative: FLOAT32 },
    );
  });

  test("does not depend on where its adjoint is taken", async () => {
    const found = await evaluate({ x, z, v, ...carried }, ({ x, z, v, ...tensors }) => {
      const operator = family.bind(tensors);
      return { atX: adjoint(operator, x, v), atZ: adjoint(operator, z, v) };
    });
    expect(found.atX.data).toEqual(found.atZ.data);
  });
});
