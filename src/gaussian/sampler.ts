import { float32, type HostArray, rows, zeros } from "../core/array.ts";
import { ShapeError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import type { ObservationBatch } from "../data/observation-check.ts";
import type { ObservationKind } from "../data/observation-kind.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { timesVector, transposedTimes } from "./dense.ts";
import { linearKind } from "./linear-observations.ts";
import { type GaussianModel, observedCovariance } from "./observed-covariance.ts";

/** Draws exactly from the posteriors of a Gaussian prior, a batch at a time. */
export interface GaussianSampler {
  /** Observations together, at most. */
  readonly batch: number;
  /** @returns one draw for each observation, [n, ...latent] */
  draw(batch: ObservationBatch, streams: readonly Rng[]): Promise<HostArray<"float32">>;
  /** E[x | y] of each observation, [n, ...latent]. */
  mean(batch: ObservationBatch): Promise<HostArray<"float32">>;
  release(): Promise<void>;
}

/** The numbers of a Gaussian whose diagonal is constant, in float64. @throws ShapeError if it is not */
export function gaussianModel({ mean, diagonal, factor }: Gaussian): GaussianModel {
  if (diagonal.data.some((value) => value !== diagonal.data[0]))
    throw new ShapeError(
      "gaussian: expected a diagonal of one variance, got several. Put what differs into the factor.",
    );
  return {
    mean: Float64Array.from(mean.data),
    residual: diagonal.data[0]!,
    factor: Float64Array.from(factor.data),
    rank: factor.shape[1]!,
  };
}

/**
 * Draws of x given y under a Gaussian prior, without diffusion [Doucet10, Matheron's rule]: for a draw (x~, y~) from the
 * joint distribution and S = A Sigma A' + Sigma_y,
 *   E[x | y] = mean + Sigma A' S^-1 (y - A mean),    x = x~ + Sigma A' S^-1 (y - y~)  ~  p(x | y).
 * Systems are solved in float64 (`observedCovariance`), so a draw meets its measurements to their noise however small that is.
 * An operator that is not linear is linearized at the prior's mean.
 */
export async function gaussianSampler(
  gaussian: Gaussian,
  kind: ObservationKind,
  most: number,
  engine: EngineOptions,
): Promise<GaussianSampler> {
  const model = gaussianModel(gaussian);
  const { mean, residual: D, factor, rank } = model;
  const N = mean.length;
  const linear = await linearKind(kind, most, engine);
  const shape = kind.header.latentShape;
  const gather = (latents: readonly Float64Array[]) => {
    const out = new Float32Array(latents.length * N);
    for (const [i, own] of latents.entries()) out.set(own, i * N);
    return float32(out, [latents.length, ...shape]);
  };
  /** mean + deviation + Sigma A' S^-1 (y - A mean - simulated). */
  const condition = async (
    batch: ObservationBatch,
    simulate: (
      i: number,
      M: number,
      k: number,
    ) => { latent: Float64Array; noise: Float64Array; patterns: Float64Array } | undefined,
  ) => {
    const systems = await linear.batch(batch);
    const b = await systems.residual(mean);
    const covariance = await observedCovariance(systems, model);
    const drawn = b.map((own, i) => simulate(i, own.length, systems.patternCount));
    if (drawn[0]) {
      const seen = await systems.applyEach(drawn.map((one) => one!.latent));
      for (const [i, own] of b.entries()) {
        const { noise, patterns } = drawn[i]!;
        const shared = systems.patterns ? timesVector(systems.patterns[i]!, patterns) : undefined;
        for (let m = 0; m < own.length; m++)
          own[m] =
            own[m]! - seen[i]![m]! - Math.sqrt(systems.variance[i]![m]!) * noise[m]! - (shared?.[m] ?? 0);
      }
    }
    const pulled = await systems.pullEach(await covariance.solve(b));
    return gather(
      pulled.map((own, i) => {
        const inside = rank > 0 ? timesVector(factor, transposedTimes(factor, rank, own)) : undefined;
        return own.map((value, j) => mean[j]! + (drawn[i]?.latent[j] ?? 0) + D * value + (inside?.[j] ?? 0));
      }),
    );
  };
  return {
    batch: linear.batchSize,
    draw: async (batch, streams) =>
      await condition(batch, (i, M, q) => {
        const stream = streams[i]!;
        const normals = (count: number) => {
          const values = new Float32Array(count);
          stream.fillNormal(values);
          return Float64Array.from(values);
        };
        const inside = rank > 0 ? timesVector(factor, normals(rank)) : undefined;
        const latent = normals(N).map((value, j) => Math.sqrt(D) * value + (inside?.[j] ?? 0));
        return { latent, noise: normals(M), patterns: normals(q) };
      }),
    mean: async (batch) => await condition(batch, () => undefined),
    release: linear.release,
  };
}

/** Draws for more observations than the sampler takes together. */
export async function drawInBatches(
  sampler: GaussianSampler,
  batch: ObservationBatch,
  streams: readonly Rng[],
): Promise<HostArray<"float32">> {
  const n = streams.length;
  if (n <= sampler.batch) return await sampler.draw(batch, streams);
  const part = (array: HostArray<"float32">, first: number) =>
    rows(array, first, Math.min(first + sampler.batch, n));
  let out: HostArray<"float32"> | undefined;
  for (let first = 0; first < n; first += sampler.batch) {
    const { y, data, noiseVariance } = batch;
    const drawn = await sampler.draw(
      {
        y: part(y, first),
        data: Object.fromEntries(Object.entries(data).map(([name, array]) => [name, part(array, first)])),
        ...(noiseVariance && { noiseVariance: part(noiseVariance, first) }),
      },
      streams.slice(first, first + sampler.batch),
    );
    out ??= zeros("float32", [n, ...drawn.shape.slice(1)]);
    out.data.set(drawn.data, first * sizeOf(drawn.shape.slice(1)));
  }
  return out!;
}
