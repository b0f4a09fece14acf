import { float32, type HostArray } from "../core/array.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import { gaussianConstants } from "../diffusion/gaussian.ts";
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

/**
 * Exact posterior draws under the Gaussian start, for observations [start, end): the first E-step, at a hundredth of
 * the cost of sampling by diffusion. Draws are kept inside the limits like all others.
 * @param resumed the observation to begin with where those before it were drawn already: the first of a batch, so that
 *   batches are made up as if they all had been drawn at once
 */
export async function drawGaussianPosterior(
  { gaussian, limits }: Pick<Model, "gaussian" | "limits">,
  observations: Observations,
  [start, end]: readonly [number, number],
  stream: (index: number) => Rng,
  engine: EngineOptions,
  consume: (samples: HostArray<"float32">, first: number) => Promise<void> | void,
  resumed = start,
): Promise<void> {
  if (resumed >= end) return;
  const { header } = observations;
  const size = Math.min(BATCH, end - start);
  const rank = gaussian.factor.shape[1]!;
  const shapes = {
    factor: [rank],
    diagonal: [sizeOf(header.latentShape)],
    observation: header.observationShape,
    ...patternShape(observations),
  };
  const inputs = (all: Readonly<Record<string, readonly number[]>>) =>
    Object.fromEntries(Object.entries(all).map(([name, shape]) => [name, input([size, ...shape])]));
  const conditions = inputs(conditionShapes(observations));
  const noise = inputs(shapes);
  const { mean, deviation } = gaussianPosterior(
    gaussianConstants(gaussian),
    bindMeasurement(observations, conditions),
    {
      factor: noise.factor!,
      diagonal: noise.diagonal!,
      observation: noise.observation!,
      patterns: noise.patterns,
    },
    header.latentShape,
    gaussianCgSteps(observations, rank),
  );
  const drawn = add(mean, deviation);
  const x = limits ? clip(drawn, ...limits) : drawn;
  const program = await compile({ inputs: { ...conditions, ...noise }, outputs: { x } }, engine);
  try {
    for (let first = resumed; first < end; first += size) {
      // The last batch reaches back so that it is full; rows already handed on are left out.
      const from = Math.max(Math.min(first, end - size), start);
      const feeds = {
        ...conditionArrays(await observations.read(from, from + size)),
        ...gaussianNoise(shapes, from, size, stream),
      };
      const { x } = await program.run(feeds);
      const width = sizeOf(header.latentShape);
      const fresh = (x!.data as Float32Array).subarray((first - from) * width);
      await consume(float32(fresh, [from + size - first, ...header.latentShape]), first);
    }
  } finally {
    await program.release();
  }
}

/** Standard normals for each observation from its own stream, part after part. */
export function gaussianNoise(
  shapes: Readonly<Record<string, readonly number[]>>,
  start: number,
  count: number,
  stream: (index: number) => Rng,
  rows = count,
): Record<string, HostArray<"float32">> {
  const parts = Object.entries(shapes).map(
    ([name, shape]) => [name, float32(new Float32Array(rows * sizeOf(shape)), [rows, ...shape])] as const,
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
