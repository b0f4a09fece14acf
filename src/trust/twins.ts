import { type HostArray, rows } from "../core/array.ts";
import type { Watch } from "../core/events.ts";
import type { Rng } from "../core/random.ts";
import { pickRows } from "../core/rows.ts";
import { sizeOf } from "../core/shape.ts";
import { measurementShapes, patternShape } from "../data/observations/measurement.ts";
import { hideUnobserved, mapBatch } from "../data/observations/observation-check.ts";
import { compileOver } from "../data/observations/observation-program.ts";
import {
  kindsIn,
  kindsOf,
  type ObservationSet,
  partsOf,
  withParts,
} from "../data/observations/observation-set.ts";
import type { ObservationBatch, Observations } from "../data/observations/observations.ts";
import { add, input } from "../graph/index.ts";
import { drawAll } from "../inference/draw-source.ts";
import type { Model } from "../inference/model.ts";
import { compilePrior } from "../inference/prior.ts";
import { colorNoise } from "../posterior/solvers/noise.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/** A few observations, read once. */
export async function inMemory<S extends ObservationSet>(
  set: S,
  [first, stop]: readonly [number, number] = [0, set.count],
): Promise<S> {
  const parts = partsOf(set).map(({ observations }) => ({ observations, numbers: new Int32Array() }));
  for (const { kind, observations, range, numbers } of kindsIn(set, [first, stop]))
    parts[kind] = {
      observations: holding(observations, await observations.read(...range)),
      numbers: numbers.map((number) => number - first),
    };
  return withParts(set, stop - first, parts);
}

/** Observations of one kind that are in memory. */
function holding(observations: Observations, all: ObservationBatch): Observations {
  return {
    ...observations,
    count: all.y.shape[0]!,
    read: async (start, end) => mapBatch(all, (array) => rows(array, start, end)),
  };
}

/** Observations of latents that are known. */
export interface Twins {
  readonly observations: ObservationSet;
  /** What was measured, in the user's units, [n, ...latent]. */
  readonly latents: HostArray<"float32">;
}

/** Observations together. */
const BATCH = 64;
/** Steps of the sampler that draws the latents: more than E-steps take, since nothing is left to correct its errors. */
export const PRIOR_STEPS = 128;

/**
 * Twins of observations: through the same operators and noise, but of latents of the prior. Whatever differs between the two
 * by more than chance tells that the prior, the operators or the noise are not those behind the observations; what a sampler does
 * wrong, it does to both.
 *   x ~ q,   y = A_i x + n,   n ~ N(0, Sigma_i)
 * @param observations few, in memory
 */
export async function makeTwins(
  model: Model,
  observations: ObservationSet,
  batch: number,
  rng: Rng,
  { engine, ...watch }: Watch & { readonly engine: EngineOptions },
): Promise<Twins> {
  const { count } = observations;
  const choice = { sampler: "multistep", steps: PRIOR_STEPS, batch: Math.min(batch, count) } as const;
  await using prior = await compilePrior(model, choice, engine);
  const latents = await drawAll(prior, [0, count], {
    ...watch,
    stage: { name: "Samples of the prior", iteration: 0, iterations: 0 },
    stream: (index) => rng.split("latent", index),
  });
  const noise = rng.split("noise");
  const parts = [...partsOf(observations)];
  for (const { kind, observations: own, numbers } of kindsOf(observations)) {
    const streams = Array.from(numbers, (number) => noise.split(number));
    const measured = await measure(own, pickRows(latents, numbers), streams, engine);
    parts[kind] = { observations: holding(own, measured), numbers };
  }
  return { observations: withParts(observations, count, parts), latents };
}

/** The observations with y measured anew. */
async function measure(
  observations: Observations,
  latents: HostArray<"float32">,
  streams: readonly Rng[],
  engine: EngineOptions,
): Promise<ObservationBatch> {
  const { count, header, family } = observations;
  const size = Math.min(BATCH, count);
  const shapes = { noise: measurementShapes(observations).y, ...patternShape(observations) };
  await using program = await compileOver(
    observations,
    size,
    ({ operator, variance }) => {
      const x = input([size, ...header.latentShape]);
      const noise = input([size, ...shapes.noise]);
      const patterns = shapes.patterns && input([size, ...shapes.patterns]);
      const y = add(operator(x), colorNoise(variance, { observation: noise, patterns }));
      return { inputs: { x, noise, ...(patterns && { patterns }) }, outputs: { y } };
    },
    engine,
  );
  const all = await observations.read(0, count);
  const y = { ...all.y, data: new Float32Array(all.y.data.length) };
  for (let first = 0; first < count; first += size) {
    const end = Math.min(first + size, count);
    const own = streams.slice(first, end);
    const normals = Object.entries(shapes).map(([name, shape]) => [name, normalRows(own, name, shape)]);
    const feeds = { x: rows(latents, first, end), ...Object.fromEntries(normals) };
    const found = await program.run(await observations.read(first, end), feeds);
    rows(y, first, end).data.set(found.y.data as Float32Array);
  }
  const measured = { ...all, y };
  hideUnobserved(measured, family, 0, observations.path);
  return measured;
}

/** A row of normal numbers from each stream, [n, ...shape]. */
export function normalRows(
  streams: readonly Rng[],
  name: string,
  shape: readonly number[],
): HostArray<"float32"> {
  const size = sizeOf(shape);
  const data = new Float32Array(streams.length * size);
  for (const [i, stream] of streams.entries())
    stream.split(name).fillNormal(data.subarray(i * size, (i + 1) * size));
  return { dtype: "float32", shape: [streams.length, ...shape], data };
}
