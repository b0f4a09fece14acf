import { float32, type HostArray, rows, zeros } from "../core/array.ts";
import { ShapeError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import { mapBatch, type ObservationBatch } from "../data/observations/observation-check.ts";
import type { ObservationKind } from "../data/observations/observation-kind.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { timesVector } from "./dense.ts";
import { type LinearBatch, linearKind } from "./linear-observations.ts";
import { type GaussianModel, type ObservedCovariance, observedCovariance } from "./observed-covariance.ts";

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
  const linear = await linearKind(kind, most, engine, "solve");
  const columns = transposed(factor, rank);
  let shared: Promise<ObservedCovariance> | undefined;
  const covarianceOf = async (systems: LinearBatch) => {
    if (!linear.isShared) return await observedCovariance(systems, model);
    shared ??= observedCovariance(systems, model);
    return await shared;
  };
  /** mean + latents + Sigma A' S^-1 (y - A (mean + latents) - noise). @param latents [n, N] @param noise [n, M] */
  const condition = async (
    systems: LinearBatch,
    { latents, noise }: { readonly latents: Float64Array; readonly noise: Float64Array },
  ) => {
    const { products, size: n } = systems;
    const b = await systems.residual(mean);
    const covariance = await covarianceOf(systems);
    const seen = await systems.applyEach(latents);
    const pulled = await systems.pullEach(
      await covariance.solve(b.map((value, row) => value - seen[row]! - noise[row]!)),
    );
    const inside = await products.times(pulled, N, factor, rank, 1);
    const spread = rank > 0 ? await products.times(inside, rank, columns, N, 1) : new Float64Array(n * N);
    const out = pulled.map((value, at) => mean[at % N]! + latents[at]! + D * value + spread[at]!);
    return float32(Float32Array.from(out), [n, ...kind.header.latentShape]);
  };
  return {
    batch: linear.batchSize,
    draw: async (batch, streams) => {
      const systems = await linear.batch(batch);
      return await condition(systems, simulate(model, systems, streams));
    },
    mean: async (batch) => {
      const systems = await linear.batch(batch);
      const { size: n, rows: M } = systems;
      return await condition(systems, { latents: new Float64Array(n * N), noise: new Float64Array(n * M) });
    },
    release: linear.release,
  };
}

/** Draws of x - mean under the prior, [n, N], and of the noise, [n, M]: each from its own stream. */
export function simulate(
  { residual: D, factor, rank, mean }: GaussianModel,
  { rows: M, ownRows, variance, patterns, patternCount: q, size: n, systems: s }: LinearBatch,
  streams: readonly Rng[],
): { readonly latents: Float64Array; readonly noise: Float64Array } {
  const N = mean.length;
  const latents = new Float64Array(n * N);
  const noise = new Float64Array(n * M);
  for (const [i, stream] of streams.entries()) {
    const normals = (count: number) => {
      const values = new Float32Array(count);
      stream.fillNormal(values);
      return Float64Array.from(values);
    };
    const inside = rank > 0 ? timesVector(factor, normals(rank)) : new Float64Array(N);
    latents.set(
      normals(N).map((value, j) => Math.sqrt(D) * value + inside[j]!),
      i * N,
    );
    noise.set(
      normals(ownRows[i]!).map((value, m) => Math.sqrt(variance[i * M + m]!) * value),
      i * M,
    );
    if (!patterns) continue;
    const system = i % s;
    const shared = timesVector(patterns.subarray(system * M * q, (system + 1) * M * q), normals(q));
    for (let m = 0; m < M; m++) noise[i * M + m]! += shared[m]!;
  }
  return { latents, noise };
}

/** U', [r, N], of U [N, r]. */
function transposed(U: Float64Array, r: number): Float64Array {
  const N = U.length / Math.max(r, 1);
  return Float64Array.from(U, (_, at) => U[(at % N) * r + Math.floor(at / N)]!);
}

/** Draws for more observations than the sampler takes together. */
export async function drawInBatches(
  sampler: GaussianSampler,
  batch: ObservationBatch,
  streams: readonly Rng[],
): Promise<HostArray<"float32">> {
  const n = streams.length;
  if (n <= sampler.batch) return await sampler.draw(batch, streams);
  let out: HostArray<"float32"> | undefined;
  for (let first = 0; first < n; first += sampler.batch) {
    const end = Math.min(first + sampler.batch, n);
    const part = mapBatch(batch, (array) => rows(array, first, end));
    const drawn = await sampler.draw(part, streams.slice(first, end));
    out ??= zeros("float32", [n, ...drawn.shape.slice(1)]);
    out.data.set(drawn.data, first * sizeOf(drawn.shape.slice(1)));
  }
  return out!;
}
