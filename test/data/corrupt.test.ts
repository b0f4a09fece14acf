import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32, rows } from "../../src/core/array.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { packBits, unpackBits } from "../../src/data/arrays/mask-bits.ts";
import { corruptMask } from "../../src/data/corrupt.ts";
import { maskIndices } from "../../src/operators/kinds/mask.ts";
import { isMaskShape } from "../../src/operators/kinds/mask-shape.ts";

function constant(shape: readonly number[], value: number) {
  return float32(new Float32Array(sizeOf(shape)).fill(value), shape);
}

describe("mask bits", () => {
  it("packs as numpy.packbits does: the first entry in the highest bit, each row padded", () => {
    expect([...packBits([1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0], 9)]).toEqual([
      0x81, 0x80, 0x40, 0,
    ]);
  });

  it("unpacks what it packs", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 4 }),
        fc.nat(),
        (size, n, seed) => {
          const rng = new Rng(seed);
          const mask = Float32Array.from({ length: n * size }, () => rng.integer(2));
          expect(unpackBits(packBits(mask, size), size)).toEqual(mask);
        },
      ),
    );
  });

  it("spreads a mask over the latent shape by NumPy's rule", () => {
    expect([...maskIndices([1, 3], [2, 3])]).toEqual([0, 1, 2, 0, 1, 2]);
    expect([...maskIndices([2, 1], [2, 3])]).toEqual([0, 0, 0, 1, 1, 1]);
    expect([...maskIndices([3], [2, 3])]).toEqual([0, 1, 2, 0, 1, 2]);
    expect(isMaskShape([1], [2, 3])).toBe(true);
    expect(isMaskShape([2], [2, 3])).toBe(false);
    expect(isMaskShape([1, 2, 3], [2, 3])).toBe(false);
  });
});

describe("corruptMask", () => {
  it("depends on the observation's index only", () => {
    const images = float32(Float32Array.from({ length: 7 * 12 }, Math.sin), [7, 3, 2, 2]);
    const all = corruptMask(images, { rng: new Rng(1) });
    const part = corruptMask(rows(images, 3, 6), { rng: new Rng(1), startIndex: 3 });
    expect(part.data.mask).toEqual({ ...rows(all.data.mask!, 3, 6) });
    expect(part.y).toEqual({ ...rows(all.y, 3, 6) });
    expect(all.data.mask!.shape).toEqual([7, 1, 2, 2]);
    expect(corruptMask(images, { rng: new Rng(2) }).y).not.toEqual(all.y);
  });

  it("deletes the asked share, adds noise of the asked variance, and leaves 0 elsewhere", () => {
    const n = 400;
    const { y, data } = corruptMask(constant([n, 1, 10, 10], 3), {
      rng: new Rng(5),
      noiseVariance: 0.25,
      deleted: 0.75,
    });
    const mask = data.mask!.data;
    const share = mask.reduce((sum, value) => sum + value, 0) / mask.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / mask.length));
    const residuals = [...y.data].filter((_, i) => mask[i] === 1).map((value) => value - 3);
    const variance = residuals.reduce((sum, value) => sum + value * value, 0) / residuals.length;
    expect(Math.abs(variance - 0.25)).toBeLessThan(5 * 0.25 * Math.sqrt(2 / residuals.length));
    expect(y.data.every((value, i) => mask[i] === 1 || value === 0)).toBe(true);
  });

  it("never leaves an observation with nothing observed", () => {
    const { data } = corruptMask(constant([200, 2], 1), { rng: new Rng(3), deleted: 0.9 });
    for (let i = 0; i < 200; i++) expect(data.mask!.data.subarray(2 * i, 2 * i + 2).includes(1)).toBe(true);
  });

  it("refuses options out of range", () => {
    const images = constant([1, 2, 3], 0);
    const rng = new Rng(0);
    expect(() => corruptMask(images, { rng, deleted: 1 })).toThrow(
      "corrupt: deleted must be a share in [0, 1), got 1.",
    );
    expect(() => corruptMask(images, { rng, noiseVariance: 0 })).toThrow(
      /noiseVariance must be above 0, got 0/,
    );
    expect(() => corruptMask(images, { rng, maskShape: [2] })).toThrow(
      /maskShape must broadcast to \[2, 3\], got \[2\]/,
    );
    expect(() => corruptMask(images, { rng, startIndex: -1 })).toThrow(ConfigError);
  });
});
