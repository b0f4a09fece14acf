import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float32, type HostArray } from "../../src/core/array.ts";
import { DataError } from "../../src/core/errors.ts";
import type { NestedNumbers } from "../../src/core/nested.ts";
import { Rng } from "../../src/core/random.ts";
import type { OperatorFamily } from "../../src/operators/operator.ts";
import { operatorFamily } from "../../src/operators/registry.ts";
import type { OperatorSpec } from "../../src/operators/spec.ts";
import { evaluate, normals } from "../diffusion/support.ts";
import { expectAllClose } from "../matchers.ts";

interface Packed {
  readonly shape: number[];
  readonly data: number[];
}
type Case = { readonly x: Packed; readonly y: Packed };

/** By NumPy and SciPy, see test/fixtures/operators.py. */
const FIXTURE = JSON.parse(readFileSync(join(import.meta.dirname, "../fixtures/operators.json"), "utf8")) as {
  blur: (Case & { kernel: Packed })[];
  pool: Case[];
  subsample: Case[];
  crop: Case[];
  fourier: { x: Packed; k: Packed }[];
};

const batched = ({ shape, data }: Packed) => float32(data, [1, ...shape]);

async function apply(
  family: OperatorFamily,
  x: HostArray<"float32">,
  carried: Record<string, HostArray<"float32">> = {},
): Promise<HostArray<"float32">> {
  const feeds: Record<string, HostArray<"float32">> = { x, ...carried };
  return (await evaluate(feeds, ({ x, ...data }) => ({ y: family.bind(data)(x!) }))).y;
}

describe("operators by their definition", () => {
  const picks: [OperatorSpec, Case][] = [
    ...FIXTURE.pool.map((one): [OperatorSpec, Case] => [{ name: "average-pool", size: 3 }, one]),
    ...FIXTURE.subsample.map((one): [OperatorSpec, Case] => [{ name: "subsample", step: 2 }, one]),
    ...FIXTURE.crop.map((one): [OperatorSpec, Case] => {
      const size = one.y.shape.slice(1);
      return [{ name: "crop", start: [1, 1, 2].slice(-size.length), size }, one];
    }),
  ];
  test.each(picks.map(([spec, one]) => ({ name: `${spec.name} of [${one.x.shape}]`, spec, ...one })))(
    "$name agrees with NumPy",
    async ({ spec, x, y }) => {
      expectAllClose(await apply(operatorFamily(spec, x.shape), batched(x)), batched(y), { relative: 1e-6 });
    },
  );

  test.each(FIXTURE.blur)("blur by $kernel.shape agrees with scipy.signal", async ({ x, kernel, y }) => {
    const own = operatorFamily({ name: "blur", kernelShape: kernel.shape }, x.shape);
    expectAllClose(await apply(own, batched(x), { kernel: batched(kernel) }), batched(y), { relative: 1e-5 });
    const nested = (data: number[], [n, ...rest]: number[]): NestedNumbers =>
      rest.length === 0
        ? data
        : Array.from({ length: n! }, (_, k) =>
            nested(data.slice((k * data.length) / n!, ((k + 1) * data.length) / n!), rest),
          );
    const shared = operatorFamily({ name: "blur", kernel: nested(kernel.data, kernel.shape) }, x.shape);
    expectAllClose(await apply(shared, batched(x)), batched(y), { relative: 1e-5 });
  });

  test("the centred crop of odd leftovers starts nearer to the first pixel", async () => {
    const x = float32([0, 1, 2, 3, 4, 5, 6], [1, 1, 1, 7]);
    const { data } = await apply(operatorFamily({ name: "crop", size: [1, 4] }, [1, 1, 7]), x);
    expect([...data]).toEqual([1, 2, 3, 4]);
  });

  test("mask and matrix agree with sums by hand", async () => {
    const x = float32([1, 2, 3, 4, 5, 6], [1, 2, 3]);
    const masked = await apply(operatorFamily({ name: "mask", maskShape: [3] }, [2, 3]), x, {
      mask: float32([0, 1, 1], [1, 3]),
    });
    expect([...masked.data]).toEqual([0, 2, 3, 0, 5, 6]);
    const projected = await apply(operatorFamily({ name: "matrix", measurements: 2 }, [2, 3]), x, {
      matrix: float32([1, 0, 0, 0, 0, -1, 1, 1, 1, 1, 1, 1], [1, 2, 6]),
    });
    expect([...projected.data]).toEqual([-5, 21]);
  });

  test("multi-coil k-space is that of the weighted image, its mask after the transform", async () => {
    const { x, k } = FIXTURE.fourier.find(({ x }) => x.shape.join() === "2,7,5")!;
    // Coil 0 sees the image, coil 1 the image times i, whose k-space is i times that of the image.
    const maps = float32([...fill(1), ...fill(0), ...fill(0), ...fill(1)], [1, 2, 2, 7, 5]);
    const mask = float32([1, 0, 1, 1, 0], [1, 5]);
    const family = operatorFamily({ name: "multi-coil", coils: 2, maskShape: [5] }, [2, 7, 5]);
    const found = await apply(family, batched(x), { maps, mask });
    const kept = k.data.map((value, i) => value * mask.data[i % 5]!);
    const [re, im] = [kept.slice(0, 35), kept.slice(35)];
    expectAllClose(found.data, [...re, ...im, ...im.map((value) => -value), ...re], { relative: 1e-5 });
  });

  test("compose acts in the order of its parts, stack puts them side by side", async () => {
    const x = normals(new Rng(1), [2, 1, 4, 4]);
    const latent = [1, 4, 4];
    const pool: OperatorSpec = { name: "average-pool", size: 2 };
    const crop: OperatorSpec = { name: "crop", start: [0, 1], size: [1, 1] };
    const composed = await apply(operatorFamily({ name: "compose", parts: [pool, crop] }, latent), x);
    const block = (b: number) => [2, 3, 6, 7].reduce((total, i) => total + x.data[16 * b + i]! / 4, 0);
    expectAllClose(composed.data, [block(0), block(1)], { relative: 1e-6 });
    const stacked = await apply(operatorFamily({ name: "stack", parts: [crop, crop] }, latent), x);
    expect([...stacked.data]).toEqual([x.data[1], x.data[1], x.data[17], x.data[17]]);
  });
});

function fill(value: number): number[] {
  return new Array<number>(35).fill(value);
}

describe("operatorFamily", () => {
  const refuse = (spec: unknown, latentShape: readonly number[], message: string | RegExp) => {
    const make = () => operatorFamily(spec as OperatorSpec, latentShape);
    expect(make).toThrow(message);
    expect(make).toThrow(DataError);
  };

  test("names data of parts after their place", () => {
    const spec: OperatorSpec = {
      name: "compose",
      parts: [
        {
          name: "stack",
          parts: [
            { name: "mask", maskShape: [4] },
            { name: "matrix", measurements: 2 },
          ],
        },
        { name: "matrix", measurements: 3 },
      ],
    };
    const { data, masks } = operatorFamily(spec, [4]);
    expect(data).toEqual({ "part0.part0.mask": [4], "part0.part1.matrix": [2, 4], "part1.matrix": [3, 6] });
    // What the mask deleted is mixed by the last matrix: nothing of y is hidden.
    expect(masks).toEqual({ "part0.part0.mask": Int32Array.of(-1, -1, -1) });
  });

  test.each([
    [
      { name: "blurr" },
      [1, 4, 4],
      'operator.name: expected one of mask, matrix, crop, subsample, average-pool, blur, fourier, multi-coil, tomography, compose, stack, onnx, module, found "blurr". Correct the specification of the operator. Did you mean "blur"?',
    ],
    [7, [1, 4, 4], "operator.name: expected one of"],
    [
      { name: "mask" },
      [4],
      "operator.maskShape: expected positive integers, at most 134217728 numbers in all, found nothing",
    ],
    [
      { name: "mask", maskShape: [3] },
      [4],
      "operator.maskShape: expected a shape that broadcasts to [4], found [3]",
    ],
    [
      { name: "mask", maskshape: [4] },
      [4],
      'operator: expected fields name, maskShape, found "maskshape". Remove it. Did you mean "maskShape"?',
    ],
    [{ name: "matrix" }, [4], "operator.measurements: expected a whole number >= 1, found nothing"],
    [
      { name: "crop", size: [5, 2] },
      [1, 4, 4],
      "crop: the window must lie inside latents [1, 4, 4], got size [5, 2]",
    ],
    [
      { name: "crop", size: [2, 2], start: [-1, 0] },
      [1, 4, 4],
      "operator.start: expected 2 integers from 0 on, found [-1,0]",
    ],
    [{ name: "subsample", step: 0 }, [1, 4, 4], "operator.step: expected a whole number >= 1, found 0"],
    [
      { name: "subsample", step: 2 },
      [16],
      "subsample: latents must be signals [C, L], images [C, H, W] or volumes [C, D, H, W], got [16]. Use a matrix",
    ],
    [
      { name: "average-pool", size: 3 },
      [1, 4, 4],
      "average-pool: size must divide all lengths of [1, 4, 4], got 3",
    ],
    [{ name: "blur", kernelShape: [2, 3] }, [1, 4, 4], "blur: the kernel must have odd sizes, got [2, 3]"],
    [
      {
        name: "blur",
        kernel: [
          [1, 2, 3],
          [1, 2],
        ],
      },
      [1, 4, 4],
      "operator.kernel: expected lists of finite numbers, equally long and nested 2 deep",
    ],
    [
      { name: "blur", kernel: [1, 2, 3] },
      [1, 4, 4],
      "operator.kernel: expected lists of finite numbers, equally long and nested 2 deep, found [1,2,3]",
    ],
    [
      { name: "fourier", maskShape: [1, 1, 4] },
      [3, 4, 4],
      "k-space: latents must have 1 (real) or 2 (complex) channels, got [3, 4, 4]",
    ],
    [
      { name: "multi-coil", coils: 2, maskShape: [3, 1, 1, 4] },
      [1, 4, 4],
      "operator.maskShape: expected a shape that broadcasts to [2, 2, 4, 4]",
    ],
    [
      { name: "compose", parts: [] },
      [4],
      "operator.parts: expected a list of operators, at least 1, found []",
    ],
    [
      { name: "stack", parts: [{ name: "mask", maskShape: [4] }, { name: "matrx" }] },
      [4],
      "operator.parts[1].name: expected one of",
    ],
    [
      {
        name: "compose",
        parts: [
          { name: "subsample", step: 2 },
          { name: "average-pool", size: 2 },
        ],
      },
      [1, 6, 6],
      "operator.parts[1]: average-pool: size must divide all lengths of [1, 3, 3], got 2",
    ],
    [
      { name: "mask", maskShape: [1, 20_000, 20_000] },
      [1, 20_000, 20_000],
      "operator.maskShape: expected positive integers, at most 134217728 numbers in all, found [1,20000,20000]",
    ],
    [
      { name: "crop", size: [40_000, 40_000] },
      [1, 40_000, 40_000],
      "expected at most 134217728 numbers in an array, found the shape [1, 40000, 40000]",
    ],
    [
      { name: "multi-coil", coils: Number.MAX_SAFE_INTEGER, maskShape: [1] },
      [1, 4, 4],
      "expected at most 134217728 numbers in an array, found the shape [9007199254740991, 2, 4, 4]",
    ],
    [
      { name: "mask", maskShape: Array(65).fill(1) },
      [4],
      "expected positive integers, at most 134217728 numbers in all",
    ],
  ] as [unknown, number[], string][])("refuses %j on %j", (spec, latentShape, message) => {
    refuse(spec, latentShape, message);
  });

  test.each(["stack", "compose"])("refuses a %s of so many parts that their masks are too large", (name) => {
    const part = { name: "mask", maskShape: [28, 28] };
    const parts = Array(20_000).fill(part);
    const many = {
      name,
      parts: [
        { name: "stack", parts },
        { name: "stack", parts },
      ],
    };
    refuse(
      name === "stack" ? many : { name, parts: [...parts, ...Array(160_000).fill(part)] },
      [28, 28],
      "expected at most 134217728 numbers in an array",
    );
  });

  test.each([40, 3000])("refuses operators nested %i deep", (depth) => {
    let spec: unknown = { name: "mask", maskShape: [4] };
    for (let k = 0; k < depth; k++) spec = { name: "compose", parts: [spec] };
    refuse(spec, [4], "operator: expected parts nested at most 32 deep, found deeper ones.");
  });

  test("refuses an observation shape that the operator does not give", () => {
    expect(() => operatorFamily({ name: "subsample", step: 2 }, [1, 5, 5], [1, 5, 5], "obs.zarr")).toThrow(
      "obs.zarr: observationShape: expected [1, 3, 3], which operator subsample makes of latents [1, 5, 5], found [1, 5, 5].",
    );
  });
});
