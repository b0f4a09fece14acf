import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { decodeNpy } from "../../src/data/arrays/npy.ts";
import type { Observations } from "../../src/data/observations/observations.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { train } from "../../src/em/train.ts";
import { maskedObservations } from "./observations-in-memory.ts";

const [COUNT, N] = [160, 4];

/** Two clusters seen through masks and noise; the same numbers in another unit and about another origin. */
function clusters(unit: number, shift: number): Observations {
  const rng = new Rng(4);
  const mask = new Float32Array(COUNT * N);
  const y = new Float32Array(COUNT * N);
  for (let i = 0; i < COUNT; i++) {
    const side = rng.uniform() < 0.3 ? -1 : 1;
    for (let j = 0; j < N; j++) {
      const value = side * (j + 1) + 0.5 * rng.normal() + 0.25 * rng.normal();
      mask[i * N + j] = Number(rng.uniform() < 0.7);
      y[i * N + j] = mask[i * N + j]! * unit * (value + shift);
    }
  }
  return maskedObservations(float32(y, [COUNT, N]), float32(mask, [COUNT, N]), (0.25 * unit) ** 2);
}

describe("units of the data", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "diem-units-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The last E-step's draws of a whole run with default settings, but short. */
  async function draws(unit: number, shift: number): Promise<Float64Array> {
    const config = mergeConfig(defaultConfig([N], COUNT, N), {
      em: { iterations: 2, validation: 0 },
      network: { width: 16, blocks: 1, embedding: 8 },
      eStep: { steps: 8 },
      mStep: { steps: 40, finalSteps: 40, batch: 32 },
      figures: { prior: 2, gallery: 2, priorSteps: 2, samples: 8, finalSamples: 8 },
    });
    const run = await train(clusters(unit, shift), config, { out: join(folder, `${unit} ${shift}`) });
    const { data } = decodeNpy(readFileSync(run.file(2, "draws.npy")), "draws.npy");
    return Float64Array.from(data as Float32Array, (value) => value / unit - shift);
  }

  test("change no draw of a run but for rounding, nor does the origin", async () => {
    const usual = await draws(1, 0);
    expect(Math.max(...usual)).toBeGreaterThan(2);
    // A power of two changes no digit.
    expect(await draws(2 ** -40, 0)).toEqual(usual);
    // Other units, and an origin a hundred deviations away, round y otherwise: by 1e-7, and by 1e-5 of a deviation. What training
    // makes of that leaves draws as they are, but for a few whose particles are chosen otherwise.
    for (const [unit, shift, tolerance] of [
      [1e12, 0, 1e-3],
      [1, 250, 0.05],
    ] as const) {
      const other = await draws(unit, shift);
      const same = other.filter((value, at) => Math.abs(value - usual[at]!) < tolerance).length;
      expect(same / usual.length, `${unit} ${shift}`).toBeGreaterThan(0.97);
    }
  });
});
