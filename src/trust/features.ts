import { sizeOf } from "../core/shape.ts";
import { batchInCoordinates, kindInCoordinates } from "../data/observations/coordinates.ts";
import { kindsOf, type ObservationSet } from "../data/observations/observation-set.ts";
import type { Observations } from "../data/observations/observations.ts";
import { linearKind } from "../gaussian/linear-observations.ts";
import { observedCovariance } from "../gaussian/observed-covariance.ts";
import { gaussianModel, gaussianSampler } from "../gaussian/sampler.ts";
import type { Model } from "../inference/model.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/** What the Gaussian start makes of each observation. */
export interface Features {
  /** E[x | y] under the Gaussian in its coordinates, [N] each: latents whatever the operator. */
  readonly means: Float64Array[];
  /** ln of (y - A mean)' S^-1 (y - A mean) / M, S = A C A' + Sigma_y: how unlikely each is. */
  readonly energies: number[];
}

/** @param set few observations, in memory */
export async function featuresOf(
  model: Pick<Model, "gaussian" | "coordinates">,
  set: ObservationSet,
  engine: EngineOptions,
): Promise<Features> {
  const means: Float64Array[] = [];
  const energies: number[] = [];
  for (const { observations, numbers } of kindsOf(set)) {
    const found = await featuresOfKind(model, observations, engine);
    for (const [i, number] of numbers.entries()) {
      means[number] = found.means[i]!;
      energies[number] = found.energies[i]!;
    }
  }
  return { means, energies };
}

async function featuresOfKind(
  { gaussian, coordinates }: Pick<Model, "gaussian" | "coordinates">,
  observations: Observations,
  engine: EngineOptions,
): Promise<Features> {
  const { count } = observations;
  const kind = coordinates ? kindInCoordinates(observations, coordinates) : observations;
  const N = sizeOf(kind.header.latentShape);
  const model = gaussianModel(gaussian);
  const sampler = await gaussianSampler(gaussian, kind, count, engine);
  const linear = await linearKind(kind, count, engine, "solve");
  const means: Float64Array[] = [];
  const energies: number[] = [];
  try {
    const together = Math.min(sampler.batch, linear.batchSize);
    for (let first = 0; first < count; first += together) {
      const read = await observations.read(first, Math.min(first + together, count));
      const batch = coordinates ? batchInCoordinates(read, coordinates) : read;
      const mean = await sampler.mean(batch);
      const system = await linear.batch(batch);
      const residual = await system.residual(model.mean);
      const solved = await (await observedCovariance(system, model)).solve(residual);
      for (let i = 0; i < system.size; i++) {
        let energy = 0;
        for (let row = i * system.rows; row < (i + 1) * system.rows; row++)
          energy += residual[row]! * solved[row]!;
        means.push(Float64Array.from(mean.data.subarray(i * N, (i + 1) * N)));
        energies.push(Math.log(energy / Math.max(1, system.measured[i]!)));
      }
    }
  } finally {
    await sampler.release();
    await linear.release();
  }
  return { means, energies };
}
