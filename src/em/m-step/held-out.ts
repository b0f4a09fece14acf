import { float32, type HostArray } from "../../core/array.ts";
import type { Rng } from "../../core/random.ts";
import { sizeOf } from "../../core/shape.ts";
import { denoisingErrors } from "../../diffusion/loss.ts";
import { precondition } from "../../diffusion/precondition.ts";
import { sigmaAt } from "../../diffusion/schedule.ts";
import { input } from "../../graph/index.ts";
import { countParameters, sliceWeights } from "../../nn/parameters.ts";
import { compile } from "../../runtime/compile.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { estimateOf } from "../../trust/clusters.ts";
import { studentQuantile } from "../../trust/tails.ts";
import type { TrainingSet } from "./batch.ts";
import type { TrainerSpec } from "./loss-graph.ts";

/** One row in so many is not trained on, at most so many, and each is judged at so many noise levels. */
const HELD_OUT = { every: 16, most: 256, levels: 4 } as const;

/** How much better a network's means are than others, on draws that it was not trained on. */
export interface Gain {
  /** The others' loss less the network's, mean over the rows. */
  readonly gain: number;
  /** Its standard error, from the differences of the rows. */
  readonly gainError: number;
  /** How many rows there are. */
  readonly gainRows: number;
}

/** Probability of a loss as large by chance, in size: Student's t, for the few rows of short E-steps do not know their own error well. */
const CHANCE = 0.05;

/** Whether a gain is below zero by more than its error. @param times so many times the errors that are certain at 95 % */
export function isLoss({ gain, gainError, gainRows }: Gain, times = 1): boolean {
  return gainRows > 1 && gain < -times * studentQuantile(CHANCE, gainRows - 1) * gainError;
}

/** Parts a training set whose observations are all trained on: every 16th row is held out until there are 256. */
export function holdOut(draws: TrainingSet): { training: TrainingSet; heldOut: TrainingSet } {
  const { every, most } = HELD_OUT;
  const held = Math.min(most, Math.floor(draws.count / every));
  // Row i of the rest lies after the floor(i / 15) rows that were taken out before it.
  const rest = (i: number) => i + Math.min(held, Math.floor(i / (every - 1)));
  return {
    training: {
      count: draws.count - held,
      copyRow: (index, out, row) => draws.copyRow(rest(index), out, row),
    },
    heldOut: {
      count: held,
      copyRow: (index, out, row) => draws.copyRow(every * index + every - 1, out, row),
    },
  };
}

/**
 * Base's loss less the network's for each row, of several weights at the same noise levels and noise.
 * @param candidates flat parameters, [P] each
 * @param rng decides levels and noise
 */
export async function denoisingGains(
  spec: TrainerSpec,
  heldOut: TrainingSet,
  candidates: readonly HostArray<"float32">[],
  rng: Rng,
  engine: EngineOptions,
): Promise<Float64Array[]> {
  const { network, mStep, schedule, base } = spec;
  const batch = mStep.microBatch ?? mStep.batch;
  const size = sizeOf(network.shape);
  const x = input([batch, ...network.shape]);
  const noise = input(x.shape);
  const sigma = input([batch]);
  const flat = input([countParameters(network.parameters)]);
  const denoiser = precondition(network, sliceWeights(network.parameters, flat), { base });
  const learned = denoisingErrors(denoiser, x, sigma, noise, base);
  const unlearned = denoisingErrors((x_t, sigma_t) => base(x_t, sigma_t).mean, x, sigma, noise, base);
  const program = await compile(
    { inputs: { x, noise, sigma, flat }, outputs: { learned, unlearned } },
    engine,
  );
  const differences = candidates.map(() => new Float64Array(heldOut.count));
  const levels = { ...schedule, spacing: "geometric" } as const;
  const total = heldOut.count * HELD_OUT.levels;
  for (let first = 0; first < total; first += batch) {
    const rows = {
      x: new Float32Array(batch * size),
      noise: new Float32Array(batch * size),
      sigma: new Float32Array(batch).fill(schedule.sigmaMax),
    };
    const end = Math.min(first + batch, total);
    for (let at = first; at < end; at++) {
      const stream = rng.split(at);
      heldOut.copyRow(at % heldOut.count, rows.x, at - first);
      rows.sigma[at - first] = sigmaAt(levels, stream.beta(mStep.timeBeta[0], mStep.timeBeta[1]));
      stream.fillNormal(rows.noise.subarray((at - first) * size, (at - first + 1) * size));
    }
    for (const [k, flat] of candidates.entries()) {
      const feeds = {
        x: float32(rows.x, x.shape),
        noise: float32(rows.noise, x.shape),
        sigma: float32(rows.sigma),
        flat,
      };
      const outputs = await program.run(feeds);
      for (let at = first; at < end; at++)
        differences[k]![at % heldOut.count]! +=
          (Number(outputs.unlearned!.data[at - first]) - Number(outputs.learned!.data[at - first])) /
          HELD_OUT.levels;
    }
  }
  await program.release();
  return differences;
}

/** The mean of the rows' gains. */
export function gainOf(values: Float64Array): Gain {
  const { mean, error } = estimateOf(values);
  return { gain: mean, gainError: error, gainRows: values.length };
}
