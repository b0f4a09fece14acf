import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { float32 } from "../../../src/core/array.ts";
import { scaleSaturation, turnHue } from "../../../src/em/m-step/colors.ts";
import { input } from "../../../src/graph/index.ts";
import { compile } from "../../../src/runtime/compile.ts";
import golden from "../../fixtures/colors.json" with { type: "json" };
import { expectAllClose } from "../../matchers.ts";

/** A few roundings of values of order one, and those of the hue, of order six. */
const ROUNDING = { relative: 3e-6 };

async function compiled(shape: readonly number[], black?: number) {
  const [x, turn, factor] = [input(shape), input([shape[0]!, 1, 1, 1]), input([shape[0]!, 1, 1, 1])];
  const outputs = { hue: turnHue(x, turn), saturation: scaleSaturation(x, factor, black) };
  const program = await compile({ inputs: { x, turn, factor }, outputs });
  return async (images: ArrayLike<number>, turns: number[], factors: number[]) =>
    program.run({
      x: float32(images, shape),
      turn: float32(turns, turn.shape),
      factor: float32(factors, factor.shape),
    });
}

describe("hue and saturation", () => {
  test("agree with dm-pix and torchvision, also on greys, black, white and pure colours", async () => {
    const run = await compiled(golden.shape, 0);
    const { hue, saturation } = await run(golden.x, golden.turns, golden.factors);
    expectAllClose(hue!.data as Float32Array, golden.hue, ROUNDING);
    expectAllClose(hue!.data as Float32Array, golden.torchHue, ROUNDING);
    expectAllClose(saturation!.data as Float32Array, golden.saturation, ROUNDING);
  });

  test("do the same in other units, with black in its place: in [-2, 2] what they do in [0, 1]", async () => {
    const run = await compiled(golden.shape, -2);
    const scaled = (values: number[]) => values.map((value) => 4 * value - 2);
    const { hue, saturation } = await run(scaled(golden.x), golden.turns, golden.factors);
    expectAllClose(hue!.data as Float32Array, scaled(golden.hue), ROUNDING);
    expectAllClose(saturation!.data as Float32Array, scaled(golden.saturation), ROUNDING);
  });

  test("by hand: a third of the circle takes red to green, twice the saturation stops at black", async () => {
    const run = await compiled([1, 3, 1, 2], 0);
    // Pixels (0.8, 0.2, 0.2) and (0.6, 0.5, 0.4).
    const { hue, saturation } = await run([0.8, 0.6, 0.2, 0.5, 0.2, 0.4], [1 / 3], [2]);
    expectAllClose(hue!.data as Float32Array, [0.2, 0.4, 0.8, 0.6, 0.2, 0.5]);
    expectAllClose(saturation!.data as Float32Array, [0.8, 0.6, 0, 0.4, 0, 0.2]);
    const unlimited = await compiled([1, 3, 1, 2]);
    const beyond = await unlimited([0.8, 0.6, 0.2, 0.5, 0.2, 0.4], [1 / 3], [2]);
    expectAllClose(beyond.saturation!.data as Float32Array, [0.8, 0.6, -0.4, 0.4, -0.4, 0.2]);
  });

  test("any image: largest and smallest channel stay under hue, the largest under saturation; greys stay", async () => {
    const run = await compiled([1, 3, 1, 4]);
    const value = fc.float({ min: -3, max: 3, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 9, maxLength: 9 }),
        fc.float({ min: -1, max: 1, noNaN: true }),
        fc.float({ min: 0, max: 2, noNaN: true }),
        async (colors, turn, factor) => {
          const x = [0, 1, 2].flatMap((channel) => [...colors.slice(3 * channel, 3 * channel + 3), 0.7]);
          const { hue, saturation } = await run(x, [turn], [factor]);
          const pixel = (values: ArrayLike<number>, i: number) => [0, 1, 2].map((c) => values[4 * c + i]!);
          for (let i = 0; i < 3; i++) {
            const [before, turned, scaled] = [x, hue!.data, saturation!.data].map((values) =>
              pixel(values as Float32Array, i),
            ) as [number[], number[], number[]];
            const close = { relative: 1e-5, absolute: 3e-6 };
            expectAllClose([Math.max(...turned)], [Math.max(...before)], close);
            expectAllClose([Math.min(...turned)], [Math.min(...before)], close);
            expectAllClose([Math.max(...scaled)], [Math.max(...before)], close);
          }
          const grey = Math.fround(0.7);
          expect(pixel(hue!.data as Float32Array, 3)).toEqual([grey, grey, grey]);
          expect(pixel(saturation!.data as Float32Array, 3)).toEqual([grey, grey, grey]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
