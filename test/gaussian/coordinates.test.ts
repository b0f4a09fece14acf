import { describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { inCoordinates } from "../../src/data/observations/coordinates.ts";
import { type Observations, observationKind } from "../../src/data/observations/observations.ts";
import { standardCoordinates } from "../../src/gaussian/standardize.ts";
import { fitGaussian } from "../../src/gaussian/start.ts";
import { maskedObservations } from "../em/observations-in-memory.ts";

const [COUNT, N] = [300, 6];

/** Masked vectors of correlated entries in other units and about another origin; the same numbers but for that. */
function masked(unit: number, shift: number): Observations {
  const rng = new Rng(4);
  const mask = new Float32Array(COUNT * N);
  const y = new Float32Array(COUNT * N);
  for (let i = 0; i < COUNT; i++) {
    const common = rng.normal();
    for (let j = 0; j < N; j++) {
      const value = common * (j + 1) + 0.3 * rng.normal() + 0.1 * rng.normal();
      mask[i * N + j] = Number(rng.uniform() < 0.7);
      y[i * N + j] = mask[i * N + j]! * unit * (value + shift);
    }
  }
  return maskedObservations(float32(y, [COUNT, N]), float32(mask, [COUNT, N]), (0.1 * unit) ** 2);
}

async function fitted(unit: number, shift: number) {
  const observations = masked(unit, shift);
  const coordinates = await standardCoordinates(observations, {});
  const gaussian = await fitGaussian(
    inCoordinates(observations, coordinates),
    { rank: 5, iterations: 20, observations: COUNT },
    new Rng(0),
  );
  return { coordinates, gaussian };
}

describe("standard coordinates", () => {
  test.each([
    ["units of 1e-12", 1e-12, 0, 1e-4],
    ["units of 1e12", 1e12, 0, 1e-4],
    // float32 keeps 1e-7 of a value, which at a hundred deviations is 1e-5 of one.
    ["an origin a hundred deviations away", 1, 300, 2e-2],
  ])("make the same problem of data in %s", async (_, unit, shift, tolerance) => {
    const [plain, other] = [await fitted(1, 0), await fitted(unit, shift)];
    for (let j = 0; j < N; j++) {
      expect(other.coordinates.scale.data[j]! / unit / plain.coordinates.scale.data[j]!).toBeCloseTo(1, 3);
      const moved = other.coordinates.shift.data[j]! / unit - shift;
      expect(Math.abs(moved - plain.coordinates.shift.data[j]!)).toBeLessThan(1e-3);
    }
    const covariance = ({ diagonal, factor }: (typeof plain)["gaussian"], a: number, b: number) => {
      const r = factor.shape[1]!;
      let total = a === b ? diagonal.data[0]! : 0;
      for (let k = 0; k < r; k++) total += factor.data[a * r + k]! * factor.data[b * r + k]!;
      return total;
    };
    for (let a = 0; a < N; a++)
      for (let b = 0; b <= a; b++)
        expect(Math.abs(covariance(other.gaussian, a, b) - covariance(plain.gaussian, a, b))).toBeLessThan(
          tolerance,
        );
  });

  test("give entries about zero mean and unit deviation", async () => {
    const { coordinates } = await fitted(1, 3);
    for (let j = 0; j < N; j++) {
      const deviation = Math.hypot(j + 1, 0.3, 0.1);
      // Of some 210 values: relative standard error 1 / sqrt(2 * 210) = .05 and deviation / sqrt(210); four times each.
      expect(Math.abs(coordinates.scale.data[j]! / deviation - 1)).toBeLessThan(0.2);
      expect(Math.abs(coordinates.shift.data[j]! - 3) / deviation).toBeLessThan(0.28);
    }
  });
});

test("noise that float32 cannot follow is refused, with the least variance that it can", async () => {
  const { header, ...rest } = masked(1, 0);
  const precise = { ...rest, ...observationKind({ ...header, noiseVariance: 1e-30 }) };
  await expect(standardCoordinates(precise, {})).rejects.toThrow(
    /expected noise of at least 0.000001 times .* found [\d.]+e-1\d. State a noise variance of at least [\d.]+e-1\d\./,
  );
});
