import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { train } from "../../src/em/train.ts";
import { matrixObservations } from "./observations-in-memory.ts";

const COUNT = 2500;
/** Rows that any step may hold at once: the largest batch. */
const MOST = 512;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "diem-memory-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["few measurements", 2],
  ["many measurements", 17],
])("training reads observations in batches, however many there are: %s", async (name, M) => {
  const N = 4;
  const rng = new Rng(1);
  const normals = (...shape: number[]) =>
    float32(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => rng.normal()),
      shape,
    );
  const observations = matrixObservations(normals(COUNT, M), normals(COUNT, M, N), 0.1);
  let most = 0;
  const watched = {
    ...observations,
    read: async (start: number, end: number) => {
      most = Math.max(most, end - start);
      return await observations.read(start, end);
    },
  };
  const config = mergeConfig(defaultConfig([N], COUNT, M), {
    network: { width: 8, blocks: 1, embedding: 8 },
    start: { iterations: 2 },
    em: { iterations: 2, observations: 0, finalObservations: 0 },
    eStep: { steps: 1 },
    mStep: { steps: 2, finalSteps: 2 },
    figures: { priorSteps: 1 },
  });
  // These numbers were not made by their operators, which stops a run that is not forced.
  await train(watched, config, { out: join(folder, name), force: true });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(MOST);
});
