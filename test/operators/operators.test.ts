import { describe, expect, test } from "vitest";
import { float32, type HostArray, rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { add, mul, scalar, square, sum, type Tensor, vjp } from "../../src/graph/index.ts";
import { measuredEntries } from "../../src/operators/measured.ts";
import { adjoint, type OperatorFamily } from "../../src/operators/operator.ts";
import { OPERATORS, operatorFamily } from "../../src/operators/registry.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

const BATCH = 3;
// Sums of at most 60 products in float32.
const FLOAT32 = 5e-6;

const CASES = OPERATORS.flatMap(({ examples }) =>
  examples.map(({ spec, latentShape }) => ({
    title: `${JSON.stringify(spec)} on [${latentShape}]`,
    family: operatorFamily(spec, latentShape),
  })),
);

/** Data of one operator per sample: bits for masks, normals for the rest. */
function draw(family: OperatorFamily, rng: Rng): Record<string, HostArray<"float32">> {
  return Object.fromEntries(
    Object.entries(family.data).map(([name, shape]) => {
      const all = [BATCH, ...shape];
      const stream = rng.split(name);
      const bits = () => Array.from({ length: sizeOf(all) }, () => Number(stream.uniform() < 0.5));
      return [name, name in family.masks ? float32(bits(), all) : normals(stream, all)];
    }),
  );
}

function products(a: HostArray, b: HostArray): number[] {
  const flat = (array: HostArray, k: number) => Array.from(rows(array, k, k + 1).data, Number);
  return Array.from({ length: BATCH }, (_, k) => {
    const right = flat(b, k);
    return flat(a, k).reduce((total, value, i) => total + value * right[i]!, 0);
  });
}

test("every kind of operator is here", () => {
  expect(OPERATORS.map(({ name }) => name)).toMatchInlineSnapshot(`
    [
      "mask",
      "matrix",
      "crop",
      "subsample",
      "average-pool",
      "blur",
      "fourier",
      "multi-coil",
      "tomography",
      "compose",
      "stack",
    ]
  `);
});

describe.each(CASES)("the operator $title", ({ family }) => {
  const { latentShape, observationShape } = family;
  const carried = draw(family, new Rng(11));
  const x = normals(new Rng(12), [BATCH, ...latentShape]);
  const z = normals(new Rng(13), [BATCH, ...latentShape]);
  const v = normals(new Rng(14), [BATCH, ...observationShape]);
  type Named = Record<string, Tensor>;

  test("gives observations of its shape and is linear: A (2 x - 3 z) = 2 A x - 3 A z", async () => {
    const found = await evaluate({ x, z, ...carried }, ({ x, z, ...data }) => {
      const operator = family.bind(data);
      return {
        together: operator(add(mul(x, 2), mul(z, -3))),
        apart: add(mul(operator(x), 2), mul(operator(z), -3)),
      };
    });
    expect(found.together.shape).toEqual([BATCH, ...observationShape]);
    expectAllClose(found.together, found.apart, { relative: FLOAT32 });
  });

  test("has an adjoint, the same wherever it is taken: <A x, v> = <x, A' v> for each sample", async () => {
    const found = await evaluate({ x, z, v, ...carried }, ({ x, z, v, ...data }) => {
      const operator = family.bind(data);
      return { y: operator(x), atX: adjoint(operator, x, v), atZ: adjoint(operator, z, v) };
    });
    expect(found.atX.shape).toEqual(x.shape);
    expect(found.atX.data).toEqual(found.atZ.data);
    const norms = products(found.y, found.y).map((square, k) => Math.sqrt(square * products(v, v)[k]!));
    const right = products(x, found.atX);
    products(found.y, v).forEach((left, k) => {
      expect(Math.abs(left - right[k]!)).toBeLessThanOrEqual(FLOAT32 * norms[k]!);
    });
  });

  test("is the adjoint of its adjoint", async () => {
    const found = await evaluate(
      { x, v, ...carried },
      ({ x, v, ...data }: Named & { x: Tensor; v: Tensor }) => {
        const operator = family.bind(data);
        return { y: operator(x), twice: vjp([adjoint(operator, x, v)], [v], [x])[0]! };
      },
    );
    expectAllClose(found.twice, found.y, { relative: FLOAT32 });
  });

  test("has the gradient that finite differences find", async () => {
    // |A x|^2 is quadratic, so central differences have no error but rounding, whatever the step.
    const found = await evaluate({ x, z, ...carried }, ({ x, z, ...data }) => {
      const operator = family.bind(data);
      const value = (at: Tensor) => sum(square(operator(at)));
      const [gradient] = vjp([value(x)], [x], [scalar(1)]);
      return {
        slope: sum(mul(gradient!, z)),
        difference: mul(add(value(add(x, z)), mul(value(add(x, mul(z, -1))), -1)), 0.5),
      };
    });
    const scale = products(x, x).reduce((a, b) => a + b, 0);
    expectAllClose(found.difference, found.slope, { relative: 1e-4, absolute: 1e-5 * scale });
  });

  test("treats each sample by its own data, whatever its neighbours", async () => {
    const { all } = await evaluate({ x, ...carried }, ({ x, ...data }) => ({ all: family.bind(data)(x) }));
    for (let b = 0; b < BATCH; b++) {
      const own = Object.entries(carried).map(([name, array]) => [name, rows(array, b, b + 1)] as const);
      const feeds = { x: rows(x, b, b + 1), ...Object.fromEntries(own) };
      const { one } = await evaluate(feeds, ({ x, ...data }) => ({ one: family.bind(data)(x) }));
      expectAllClose(one, rows(all, b, b + 1), { relative: FLOAT32 });
    }
  });

  test("counts as measured what is not zero for every latent", async () => {
    const { measured, y } = await evaluate({ x, ...carried }, ({ x, ...data }) => ({
      measured: measuredEntries(family, data, BATCH),
      y: family.bind(data)(x),
    }));
    for (let b = 0; b < BATCH; b++) {
      const nonZero = rows(y, b, b + 1).data.reduce((n, value) => n + Number(value !== 0), 0);
      // The spectrum of a real image is real at up to 4 frequencies, 0 or the highest in each direction: zeros that count.
      const real = latentShape[0] === 1 ? 4 : 0;
      expect(measured.data[b]! - nonZero).toBeGreaterThanOrEqual(0);
      expect(measured.data[b]! - nonZero).toBeLessThanOrEqual(real);
    }
  });

  test("says which entries it picks, if it picks", async () => {
    if (!family.picks) return;
    const ones = Object.entries(carried).map(
      ([name, { shape }]) => [name, float32(new Float32Array(sizeOf(shape)).fill(1), shape)] as const,
    );
    const feeds = { x, ...Object.fromEntries(ones) };
    const { y } = await evaluate(feeds, ({ x, ...data }) => ({ y: family.bind(data)(x) }));
    expect([...rows(y, 1, 2).data]).toEqual([...family.picks].map((i) => rows(x, 1, 2).data[i]));
  });
});
