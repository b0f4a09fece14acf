import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { defaultConfig, mergeConfig } from "../../src/em/config/config.ts";
import { matrixObservations, observe } from "./observations-in-memory.ts";

/** Size of the latents of `tinyObservations`. */
export const N = 4;
/** Number of them. */
export const COUNT = 96;

/** Standard normal vectors through random 2 x 4 matrices. */
export function tinyObservations() {
  const rng = new Rng(1);
  const normals = (size: number) => Float32Array.from({ length: size }, () => rng.normal());
  const x = float32(normals(COUNT * N), [COUNT, N]);
  const matrices = float32(normals(COUNT * 2 * N), [COUNT, 2, N]);
  return matrixObservations(
    observe(x, matrices, () => 0.01 * rng.normal()),
    matrices,
    1e-4,
  );
}

/** A run of about a second. */
export const TINY = mergeConfig(defaultConfig([N], COUNT), {
  network: { width: 16, blocks: 1, embedding: 8 },
  start: { rank: 2, iterations: 3 },
  em: { iterations: 3, observations: 40, finalObservations: 50, buffer: 2 },
  eStep: { steps: 4, cgSteps: 2, batch: 16 },
  mStep: { steps: 12, finalSteps: 8, batch: 8 },
  figures: { gallery: 3, prior: 5, priorSteps: 4 },
});

/** One with room to be killed 20 times, whose E-steps begin at the Gaussian's draws. */
export const LONGER = mergeConfig(TINY, {
  em: { iterations: 8 },
  eStep: { batch: 8, gaussianStart: 2, gaussianBelow: 0.3 },
});

/** Contents of the weights, states, draws and samples of a run: what a resumed run must reproduce. */
export function results(out: string): Record<string, string> {
  const names = readdirSync(out, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(npy|safetensors)$/.test(name),
  );
  return Object.fromEntries(
    names.sort().map((name) => [name, readFileSync(join(out, name)).toString("base64")]),
  );
}
