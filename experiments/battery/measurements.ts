/** Observations of a cell: y = A x + n of latents, in memory and as a folder that a run learns from. */
import { float32, type HostArray } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";
import { type Shape, sizeOf } from "../../src/core/shape.ts";
import { memoryRows } from "../../src/data/arrays/array-rows.ts";
import { importObservations } from "../../src/data/observations/observation-arrays.ts";
import type { OperatorSpec } from "../../src/operators/spec.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { compileApplied } from "./applied.ts";
import { type Arrays, drawData, type Measured, operatorOf } from "./operators.ts";

/** Noise; its mean variance is this share of the variance of what is measured without it. */
export interface Noise {
  /** The same on every entry, different on every number, or half of it in patterns that entries share. */
  readonly kind: "uniform" | "per-entry" | "correlated";
  readonly share: number;
}

/** Observations in memory. */
export interface Observed {
  readonly operator: OperatorSpec;
  readonly latentShape: Shape;
  readonly data: Arrays;
  /** [n, ...observationShape]; 0 where nothing is seen. */
  readonly y: HostArray<"float32">;
  /** One number, or one for each entry of y. */
  readonly noiseVariance: number | HostArray<"float32">;
  /** Patterns that the noise shares, [...observationShape, r]. */
  readonly noiseFactor: HostArray<"float32"> | undefined;
}

/** Measures latents. @param latents [n, ...latentShape] @param mean of the latents' distribution, [N] */
export async function observe(
  latents: HostArray<"float32">,
  mean: Float64Array,
  measured: Measured,
  noise: Noise,
  rng: Rng,
  engine: EngineOptions,
): Promise<Observed> {
  const [n, ...latentShape] = latents.shape as [number, ...number[]];
  const operator = operatorOf(measured, latentShape);
  const data = drawData(measured, latentShape, n, rng.split("operator"));
  const N = mean.length;
  const centred = latents.data.map((value, i) => value - mean[i % N]!);
  const centre = latents.data.map((_, i) => mean[i % N]!);
  const applied = await compileApplied(operator, latentShape, Math.min(n, 512), engine);
  try {
    const signal = await applied.apply(float32(centred, latents.shape), data);
    const offset = await applied.apply(float32(centre, latents.shape), data);
    const variance = noise.share * meanSquare(signal.values, signal.seen);
    const drawn = drawNoise(noise.kind, variance, [n, ...applied.observationShape], rng.split("noise"));
    const y = signal.values.map((value, i) =>
      signal.seen[i] === 1 ? value + offset.values[i]! + drawn.noise[i]! : 0,
    );
    const { noiseVariance, noiseFactor } = drawn;
    const shape = [n, ...applied.observationShape];
    return { operator, latentShape, data, y: float32(y, shape), noiseVariance, noiseFactor };
  } finally {
    await applied.release();
  }
}

/** Over entries that are seen. */
function meanSquare(values: Float32Array, seen: Float32Array): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < values.length; i++)
    if (seen[i] === 1) {
      sum += values[i]! ** 2;
      count++;
    }
  return sum / count;
}

/** Patterns of correlated noise. */
const PATTERNS = 2;
/** Variances of noise that differs lie within this factor of the geometric mean, evenly on the logarithmic scale. */
const SPREAD = 4;

/** Noise of a mean variance and what describes it. @param shape [n, ...observationShape] */
function drawNoise(kind: Noise["kind"], variance: number, shape: Shape, rng: Rng) {
  const [n, ...own] = shape as [number, ...number[]];
  const M = sizeOf(own);
  const noise = new Float32Array(n * M);
  rng.fillNormal(noise);
  if (kind === "uniform")
    return {
      noise: noise.map((z) => Math.sqrt(variance) * z),
      noiseVariance: variance,
      noiseFactor: undefined,
    };
  if (kind === "per-entry") {
    // The mean of SPREAD^u for u uniform in [-1, 1].
    const average = (SPREAD - 1 / SPREAD) / (2 * Math.log(SPREAD));
    const each = noise.map(() => (variance / average) * SPREAD ** (2 * rng.uniform() - 1));
    return {
      noise: noise.map((z, i) => Math.sqrt(each[i]!) * z),
      noiseVariance: float32(each, shape),
      noiseFactor: undefined,
    };
  }
  // Cosines, whose squares have mean 1/2: each pattern adds variance / (2 PATTERNS) on average.
  const size = Math.sqrt(variance / PATTERNS);
  const L = Float32Array.from({ length: M * PATTERNS }, (_, at) => {
    const [m, k] = [Math.floor(at / PATTERNS), at % PATTERNS];
    return size * Math.cos((Math.PI * (k + 1) * (m + 0.5)) / M);
  });
  const mixed = new Float32Array(n * M);
  for (let i = 0; i < n; i++) {
    const f = Array.from({ length: PATTERNS }, () => rng.normal());
    for (let m = 0; m < M; m++) {
      let value = Math.sqrt(variance / 2) * noise[i * M + m]!;
      for (let k = 0; k < PATTERNS; k++) value += L[m * PATTERNS + k]! * f[k]!;
      mixed[i * M + m] = value;
    }
  }
  return { noise: mixed, noiseVariance: variance / 2, noiseFactor: float32(L, [...own, PATTERNS]) };
}

/** Writes the folder that a run learns from, as `diem import` does. */
export async function writeObserved(path: string, observed: Observed, signal?: AbortSignal): Promise<void> {
  const { operator, latentShape, data, y, noiseVariance, noiseFactor } = observed;
  const parts = {
    y: memoryRows(y),
    data: Object.fromEntries(Object.entries(data).map(([name, array]) => [name, memoryRows(array)])),
    noiseVariance: typeof noiseVariance === "number" ? noiseVariance : memoryRows(noiseVariance),
    noiseFactor: noiseFactor && memoryRows(noiseFactor),
    operator,
    latentShape,
  };
  await importObservations(path, parts, { signal });
}
