import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { encodeNpy } from "../../src/data/arrays/npy.ts";
import { RUN_FORMAT, RUN_VERSION } from "../../src/em/run/run-info.ts";

export interface FakeRun {
  readonly name?: string;
  readonly latentShape?: readonly number[];
  readonly iterations?: number;
  readonly config?: object;
  readonly prior?: number;
  readonly units?: string;
}

/** Writes a small run folder of noise and returns its path; `put` changes single files of it. */
export function fakeRun(options: FakeRun = {}): {
  folder: string;
  put: (name: string, content: string | Uint8Array) => void;
} {
  const { name = "digits", latentShape = [1, 6, 5], iterations = 3, config = {}, prior = 4, units } = options;
  const folder = mkdtempSync(join(tmpdir(), "diem-report-"));
  const put = (path: string, content: string | Uint8Array) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  const rng = new Rng(7);
  const noise = (path: string, n: number, shape = latentShape) => {
    const values = Float32Array.from({ length: n * sizeOf(shape) }, () => rng.normal());
    put(path, encodeNpy(float32(values, [n, ...shape])));
  };
  const observations = {
    path: "/home/me/obs.zarr",
    count: 1000,
    latentShape,
    operator: "mask",
    range: [-2, 2],
    ...(units && { units }),
  };
  const createdBy = "diem 0.1.0";
  const notes = ["Clean pixels are used for the figures only."];
  put(
    "run.json",
    JSON.stringify({
      format: RUN_FORMAT,
      version: RUN_VERSION,
      name,
      createdBy,
      config,
      observations,
      notes,
    }),
  );
  noise("gallery/observations.npy", 3);
  noise("gallery/truth.npy", 3);
  noise("start/posterior.npy", 3);
  noise("start/prior.npy", prior);
  put("start/figures.json", JSON.stringify(fakeFigures(0)));
  for (let k = 1; k <= iterations; k++) {
    const below = `iterations/${String(k).padStart(4, "0")}`;
    noise(`${below}/gallery-posterior.npy`, 3);
    noise(`${below}/gallery-prior.npy`, prior);
    put(`${below}/figures.json`, JSON.stringify(fakeFigures(k)));
  }
  return { folder, put };
}

export function fakeFigures(iteration: number): object {
  return {
    iteration,
    seconds: iteration === 0 ? { fit: 2 } : { eStep: 10, mStep: 20, figures: 3 },
    loss:
      iteration === 0
        ? []
        : [
            [1, 0.5],
            [2, 0.25],
          ],
    eStep: { draws: 1000, firstObservation: 0, imagesPerSecond: 85.2, residual: 1.5, nonFinite: 0 },
    mStep: { steps: 2, stepsPerSecond: 31, learningRate: 0.003 },
    metrics: { "prior Frechet distance": 200 / (iteration + 1) },
  };
}
