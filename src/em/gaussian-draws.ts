import { float32, type HostArray, rows } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import type { ObservationBatch, ObservationKind, Observations } from "../data/observations.ts";
import { gaussianConstants } from "../diffusion/gaussian.ts";
import { padRows } from "../diffusion/sample.ts";
import { add, clip, input } from "../graph/index.ts";
import { gaussianPosterior } from "../posterior/gaussian.ts";
import { compile } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { Model } from "./model.ts";
import {
  bindMeasurement,
  conditionArrays,
  conditionShapes,
  gaussianCgSteps,
  patternShape,
} from "./posterior.ts";

const BATCH = 256;

/** Draws exactly from the posteriors of a Gaussian prior, a batch at a time. */
export interface GaussianSampler {
  /** @returns one draw for each of at most `size` observations, [n, ...latent], inside the model's limits */
  draw(batch: ObservationBatch, streams: readonly Rng[]): Promise<HostArray<"float32">>;
  release(): Promise<void>;
}

/** Compiles the exact draw of x given y under the model's Gaussian start, for `size` observations at once. */
export async function compileGaussianSampler(
  { gaussian, limits }: Pick<Model, "gaussian" | "limits">,
  kind: ObservationKind,
  size: number,
  engine: EngineOptions,
): Promise<GaussianSampler> {
  const { header } = kind;
  const rank = gaussian.factor.shape[1]!;
  const shapes = {
    factor: [rank],
    diagonal: [sizeOf(header.latentShape)],
    observation: header.observationShape,
    ...patternShape(kind),
  };
  const inputs = (all: Readonly<Record<string, readonly number[]>>) =>
    Object.fromEntries(Object.entries(all).map(([name, shape]) => [name, input([size, ...shape])]));
  const conditions = inputs(conditionShapes(kind));
  const noise = inputs(shapes);
  const { mean, deviation } = gaussianPosterior(
    gaussianConstants(gaussian),
    bindMeasurement(kind, conditions),
    {
      factor: noise.factor!,
      diagonal: noise.diagonal!,
      observation: noise.observation!,
      patterns: noise.patterns,
    },
    header.latentShape,
    gaussianCgSteps(kind, rank),
  );
  const drawn = add(mean, deviation);
  const x = limits ? clip(drawn, ...limits) : drawn;
  const program = await compile({ inputs: { ...conditions, ...noise }, outputs: { x } }, engine);
  return {
    draw: async (batch, streams) => {
      const n = streams.length;
      const given = Object.entries(conditionArrays(batch)).map(([name, array]) => [
        name,
        padRows(array, size),
      ]);
      const noise = gaussianNoise(shapes, 0, n, (row) => streams[row]!, size);
      const { x } = await program.run({ ...Object.fromEntries(given), ...noise });
      return rows(x as HostArray<"float32">, 0, n); // as compiled
    },
    release: () => program.release(),
  };
}

/**
 * Exact posterior draws under the Gaussian start, for observations [start, end): the first E-step, at a hundredth of
 * the cost of sampling by diffusion. Draws are kept inside the limits like all others.
 * @param resumed the observation to begin with where those before it were drawn already: the first of a batch, so that
 *   batches are made up as if they all had been drawn at once
 */
export async function drawGaussianPosterior(
  model: Pick<Model, "gaussian" | "limits">,
  observations: Observations,
  [start, end]: readonly [number, number],
  stream: (index: number) => Rng,
  engine: EngineOptions,
  consume: (samples: HostArray<"float32">, first: number) => Promise<void> | void,
  resumed = start,
): Promise<void> {
  if (resumed >= end) return;
  const size = Math.min(BATCH, end - start);
  const sampler = await compileGaussianSampler(model, observations, size, engine);
  try {
    for (let first = resumed; first < end; first += size) {
      // The last batch reaches back so that it is full; rows already handed on are left out.
      const from = Math.max(Math.min(first, end - size), start);
      const streams = Array.from({ length: size }, (_, row) => stream(from + row));
      const x = await sampler.draw(await observations.read(from, from + size), streams);
      await consume(rows(x, first - from, size), first);
    }
  } finally {
    await sampler.release();
  }
}

/** Standard normals for each observation from its own stream, part after part. */
export function gaussianNoise(
  shapes: Readonly<Record<string, readonly number[]>>,
  start: number,
  count: number,
  stream: (index: number) => Rng,
  batch = count,
): Record<string, HostArray<"float32">> {
  const parts = Object.entries(shapes).map(
    ([name, shape]) => [name, float32(new Float32Array(batch * sizeOf(shape)), [batch, ...shape])] as const,
  );
  for (let i = 0; i < count; i++) {
    const own = stream(start + i);
    for (const [, { data, shape }] of parts) {
      const width = sizeOf(shape.slice(1));
      own.fillNormal(data.subarray(i * width, (i + 1) * width));
    }
  }
  return Object.fromEntries(parts);
}
