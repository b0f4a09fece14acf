import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { float32, type HostArray, hostArray, rows } from "../../src/core/array.ts";
import { ConfigError, DataError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { frechetDistance } from "../../src/metrics/frechet.ts";
import { inceptionScore } from "../../src/metrics/inception-score.ts";
import { momentsOf } from "../../src/metrics/moments.ts";
import { numpyPermutation } from "../../src/metrics/numpy-permutation.ts";
import { prdc } from "../../src/metrics/prdc.ts";
import { psnr } from "../../src/metrics/psnr.ts";
import { resizeLikeTensorFlow } from "../../src/metrics/resize.ts";
import { ssim } from "../../src/metrics/ssim.ts";
import { expectAllClose } from "../matchers.ts";

interface Packed {
  readonly shape: number[];
  readonly data: number[];
}
interface Score {
  readonly inception_score_mean: number;
  readonly inception_score_std: number;
}
interface Golden {
  readonly real: Packed;
  readonly fake: Packed;
  readonly frechet: number;
  readonly logits: Packed;
  readonly scores: { readonly shuffled: Score; readonly inOrder: Score };
  readonly permutations: Readonly<Record<string, number[]>>;
  readonly neighbours: readonly {
    readonly k: number;
    readonly precision: number;
    readonly recall: number;
    readonly density: number;
    readonly coverage: number;
  }[];
  readonly resized: readonly {
    readonly x: Packed;
    readonly size: number;
    readonly stride: number;
    readonly y: number[];
  }[];
  readonly pairs: readonly {
    readonly x: Packed;
    readonly y: Packed;
    readonly psnr: number;
    readonly ssim: number;
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../fixtures/sample-metrics.json", import.meta.url), "utf8"),
) as Golden;
const unpack = ({ shape, data }: Packed) => float32(data, shape);
const [real, fake, logits] = [golden.real, golden.fake, golden.logits].map(unpack) as [
  HostArray<"float32">,
  HostArray<"float32">,
  HostArray<"float32">,
];

function normals(seed: number, n: number, D: number, shift = 0) {
  const data = new Float64Array(n * D);
  new Rng(seed).fillNormal(data);
  return hostArray(
    "float64",
    [n, D],
    data.map((value) => value + shift),
  );
}

test("the Frechet distance of 64 features is torch-fidelity's FID of them", () => {
  // Its mean is rounded to float32.
  expectAllClose([frechetDistance(momentsOf(real), momentsOf(fake))], [golden.frechet], { relative: 1e-6 });
});

test.each(Object.entries(golden.permutations))(
  "the order of %s rows is that of NumPy's RandomState",
  (n, order) => {
    expect(Array.from(numpyPermutation(2020, Number(n)))).toEqual(order);
  },
);

describe("the inception score", () => {
  test("is torch-fidelity's, shuffled and in the order given", () => {
    const { shuffled, inOrder } = golden.scores;
    const found = inceptionScore(logits);
    expectAllClose(
      [found.mean, found.deviation],
      [shuffled.inception_score_mean, shuffled.inception_score_std],
      { relative: 1e-12 },
    );
    const straight = inceptionScore(logits, { seed: null });
    expectAllClose(
      [straight.mean, straight.deviation],
      [inOrder.inception_score_mean, inOrder.inception_score_std],
      { relative: 1e-12 },
    );
  });

  test("by hand: certain of C classes in equal shares it is C, of one or of none 1", () => {
    const certain = float32([900, 0, 0, 0, 900, 0, 0, 0, 900], [3, 3]);
    expect(inceptionScore(certain, { splits: 1 }).mean).toBeCloseTo(3, 12);
    expect(inceptionScore(float32([9, 0, 9, 0], [2, 2]), { splits: 1 }).mean).toBeCloseTo(1, 12);
    expect(inceptionScore(float32([5, 5, 1, 1], [2, 2]), { splits: 1 }).mean).toBeCloseTo(1, 12);
    // p = (3/4, 1/4) and (1/4, 3/4): exp(3/4 ln(3/2) + 1/4 ln(1/2))
    const halves = inceptionScore(float32([Math.log(3), 0, 0, Math.log(3)], [2, 2]), { splits: 1 });
    expect(halves.mean).toBeCloseTo(1.5 ** 0.75 * 0.5 ** 0.25, 6);
  });

  test("lies between 1 and the number of classes, and does not see constants added to a row", () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: -50, max: 50, noNaN: true }), (seed, shift) => {
        const x = normals(seed, 20, 4);
        const { mean } = inceptionScore(x);
        expect(mean).toBeGreaterThanOrEqual(1 - 1e-12);
        expect(mean).toBeLessThanOrEqual(4);
        const moved = hostArray(
          "float64",
          [20, 4],
          x.data.map((value) => value + shift),
        );
        expect(inceptionScore(moved).mean).toBeCloseTo(mean, 9);
      }),
      { numRuns: 30 },
    );
  });

  test("fewer samples than splits, and NaN, are refused", () => {
    expect(() => inceptionScore(rows(logits, 0, 9))).toThrow(
      new DataError(
        "inceptionScore: expected at least 10 samples, one for each split, found 9. Draw more samples.",
      ),
    );
    expect(() => inceptionScore(logits, { splits: 0 })).toThrow(ConfigError);
    expect(() => inceptionScore(float32([Number.NaN, 1], [1, 2]), { splits: 1 })).toThrow("found NaN");
  });
});

describe("precision, recall, density and coverage", () => {
  test.each(golden.neighbours)("are those of prdc at k = $k", async ({ k, ...expected }) => {
    const found = await prdc(real, fake, { neighbours: k });
    for (const name of ["precision", "recall", "density", "coverage"] as const)
      expect(found[name], name).toBeCloseTo(expected[name], 12);
  });

  test("by hand on a line: real 0 1 3, fake 0.5 1.2 9, k = 1", async () => {
    // Balls around real samples: (-1, 1), (0, 2), (1, 5); around fake ones: (-0.2, 1.2), (0.5, 1.9), (1.2, 16.8).
    const found = await prdc(float32([0, 1, 3], [3, 1]), float32([0.5, 1.2, 9], [3, 1]), { neighbours: 1 });
    expect(found.precision).toBeCloseTo(2 / 3, 12);
    expect(found.recall).toBeCloseTo(1, 12);
    expect(found.density).toBeCloseTo((2 + 2) / 3, 12);
    expect(found.coverage).toBeCloseTo(1, 12);
  });

  test("are 1 between equal sets and 0 between distant ones; precision and recall change places with the sets", async () => {
    const [a, b] = [normals(1, 40, 3), normals(2, 30, 3, 0.5)];
    expect(await prdc(a, a)).toMatchObject({ precision: 1, recall: 1, coverage: 1 });
    expect(await prdc(a, normals(2, 30, 3, 1000))).toEqual({
      precision: 0,
      recall: 0,
      density: 0,
      coverage: 0,
      repeated: { real: 0, fake: 0 },
    });
    const [there, back] = [await prdc(a, b), await prdc(b, a)];
    expect(there.precision).toBe(back.recall);
    expect(there.recall).toBe(back.precision);
  });

  test("do not change when both sets are scaled and moved, or span several blocks", async () => {
    const [a, b] = [normals(1, 520, 2), normals(2, 30, 2, 0.5)];
    const moved = (x: typeof a) =>
      hostArray(
        "float64",
        x.shape,
        x.data.map((value) => 8 * value + 512),
      );
    expect(await prdc(moved(a), moved(b))).toEqual(await prdc(a, b));
  });

  test("count samples that as many others equal, whose balls hold nothing", async () => {
    const a = normals(1, 40, 3);
    const copies = rows(a, 0, 10);
    const repeated = float32(
      [...Array(6)].flatMap(() => [...copies.data]),
      [60, 3],
    );
    expect(await prdc(repeated, a)).toMatchObject({
      density: 0,
      coverage: 0,
      repeated: { real: 60, fake: 0 },
    });
    expect((await prdc(a, repeated)).repeated).toEqual({ real: 0, fake: 60 });
    expect((await prdc(a, repeated, { neighbours: 6 })).repeated).toEqual({ real: 0, fake: 0 });
  });

  test("sets without enough neighbours are refused", async () => {
    await expect(prdc(rows(real, 0, 5), fake)).rejects.toThrow(
      new DataError(
        "prdc: expected more than 5 samples, so that each has 5 neighbours, found 5 in the real set. Draw more samples.",
      ),
    );
    await expect(prdc(real, fake, { neighbours: 0 })).rejects.toThrow(ConfigError);
    const broken = float32([...Array(9).keys(), Number.NaN], [10, 1]);
    await expect(prdc(broken, normals(1, 10, 1))).rejects.toThrow(/found NaN in the real set/);
    await expect(prdc(normals(1, 10, 1), broken)).rejects.toThrow(/found NaN in the fake set/);
  });
});

describe("resizing as TensorFlow 1 did it", () => {
  test.each(golden.resized)("gives torch-fidelity's pixels, $x.shape to $size", ({ x, size, stride, y }) => {
    const found = resizeLikeTensorFlow(unpack(x), size, size);
    expect(found.shape).toEqual([...x.shape.slice(0, 2), size, size]);
    expect(Array.from(found.data.filter((_, i) => i % stride === 0))).toEqual(y.map(Math.fround));
  });

  test("by hand: two pixels to four hold the last; the same size and flat pictures stay as they are", () => {
    expectAllClose(resizeLikeTensorFlow(float32([0, 8], [1, 1, 1, 2]), 1, 4), [0, 4, 8, 8]);
    const x = float32([1, 2, 3, 4, 5, 6], [1, 1, 2, 3]);
    expect(resizeLikeTensorFlow(x, 2, 3).data).toEqual(x.data);
    expect(new Set(resizeLikeTensorFlow(float32([7, 7, 7, 7], [1, 1, 2, 2]), 5, 3).data)).toEqual(
      new Set([7]),
    );
  });
});

test.each(golden.pairs)("PSNR and SSIM of colour pictures are PIQA's: $psnr dB", (pair) => {
  const [x, y] = [unpack(pair.x), unpack(pair.y)];
  expect(psnr(x.data, y.data, 1)).toBeCloseTo(pair.psnr, 4);
  expect(ssim(x, y, 1)).toBeCloseTo(pair.ssim, 5);
});
