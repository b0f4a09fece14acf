import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { type Observations, observationKind } from "../../src/data/observations/observations.ts";
import { expectation } from "../../src/em/e-step.ts";
import { openDrawWriter } from "../../src/em/run/draw-writer.ts";
import { train } from "../../src/em/train.ts";
import { drawResidual } from "../../src/em/vitals/residual.ts";
import { checkStatedNoise } from "../../src/em/vitals/stated-noise.ts";
import { N, TINY, tinyObservations } from "./tiny-run.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-noise-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("noise that is stated", () => {
  /** Vectors of deviation 2 or so, with a variance of each entry. */
  const stating = (variance: (entry: number) => number): Observations => {
    const { read, header, ...rest } = tinyObservations();
    return {
      ...rest,
      ...observationKind({ ...header, noiseVariance: "array" }),
      read: async (start, end) => {
        const batch = await read(start, end);
        const noiseVariance = float32(
          batch.y.data.map((_, i) => variance(i)),
          batch.y.shape,
        );
        return { ...batch, noiseVariance };
      },
    };
  };
  const far =
    /^memory: expected measurements at least as wide as their noise, found a noise of [\d.e+]+ times their root mean square\. State its true variance: at most [\d.]+ for all of them\.$/;

  test.each([1e6, 1e28, 1e38])("far wider than the measurements is refused: %f", async (variance) => {
    await expect(checkStatedNoise(stating(() => variance))).rejects.toThrow(far);
    const { header, ...rest } = tinyObservations();
    const observations = { ...rest, ...observationKind({ ...header, noiseVariance: variance }) };
    const out = join(folder, "run");
    await expect(train(observations, TINY, { out })).rejects.toThrow(far);
    expect(existsSync(out)).toBe(false);
  });

  test("of the measurements' size, or of entries that tell nothing, is taken", async () => {
    await checkStatedNoise(stating(() => 1));
    await checkStatedNoise(stating((entry) => (entry % 2 === 0 ? 1e28 : 1e-2)));
  });
});

test.each([1e-50, 1e-40, 1e39])(
  "a variance that float32 does not hold is refused: %f",
  async (noiseVariance) => {
    const { header, ...rest } = tinyObservations();
    const observations = { ...rest, ...observationKind({ ...header, noiseVariance }) };
    const draws = float32(new Float32Array(3 * N), [3, N]);
    await expect(drawResidual(observations, 0, draws, {})).rejects.toThrow(
      /^noiseVariance: expected a variance that float32 holds, found 1e[+-]\d+ in squared units of the latents' deviation\./,
    );
  },
);

describe("draws that are not finite", () => {
  test("are never written", async () => {
    const paths = {
      draws: join(folder, "draws.npy"),
      partial: join(folder, "p"),
      journal: join(folder, "j"),
    };
    const writer = await openDrawWriter(paths, 4, [2]);
    await writer.append(float32([1, 2, 3, 4], [2, 2]));
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
      await expect(writer.append(float32([1, 2, 3, value], [2, 2]))).rejects.toThrow(
        `${paths.draws}: draw 3: expected finite numbers, found ${value}.`,
      );
    await writer.close();
  });

  test("or that the operator makes infinite, end the E-step: no figure is null", async () => {
    const observations = tinyObservations();
    const run = await train(
      observations,
      { ...TINY, em: { ...TINY.em, iterations: 1 } },
      { out: join(folder, "run") },
    );
    const broken: Observations = {
      ...observations,
      read: async (start, end) => {
        const { y, data } = await observations.read(start, end);
        return {
          y,
          data: {
            matrix: float32(
              data.matrix!.data.map((value) => 1e38 * value),
              [end - start, 2, N],
            ),
          },
        };
      },
    };
    const context = {
      run,
      observations: broken,
      all: broken,
      config: TINY,
      engine: {},
      options: { out: folder },
    };
    await expect(expectation(context as unknown as Parameters<typeof expectation>[0], 1)).rejects.toThrow(
      /^memory: iteration 1: expected draws that the operator maps to finite numbers, found a residual of (Infinity|NaN)\. Check/,
    );
  });
});
