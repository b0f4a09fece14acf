import type { Session } from "../../src/cli/session.ts";
import { type HostArray, rows } from "../../src/core/array.ts";
import type { Rng } from "../../src/core/random.ts";

import type { RunFolder } from "../../src/em/run/run-folder.ts";
import { drawAll } from "../../src/inference/draw-source.ts";
import { compilePrior } from "../../src/inference/prior.ts";
import { divergenceOf, type SinkhornProgress, sinkhorn } from "../../src/metrics/sinkhorn.ts";
import type { ManifoldRecipe } from "./recipes.ts";

/** What is known of an iteration; 0 is the Gaussian start. */
export interface Evaluated {
  readonly iteration: number;
  /** Divergence of prior samples from the truth. */
  readonly sinkhorn: number;
  /** Of the E-step and the M-step. */
  readonly seconds: number;
  /** Prior samples, [n, 5]. */
  readonly samples: HostArray<"float32">;
}

/**
 * Prior samples of every iteration and their Sinkhorn divergence from the truth: from the first n points, less the cost
 * between these and the last n. Ancestral sampling with many steps, so that figures are the prior's and not a
 * sampler's; every iteration starts from the same noise.
 */
export async function evaluateRun(
  run: RunFolder,
  points: HostArray<"float32">,
  { evaluation: { samples: n, steps } }: ManifoldRecipe,
  rng: Rng,
  { engine, watch, progress }: Session,
): Promise<Evaluated[]> {
  const iterations = await run.lastIteration();
  const count = points.shape[0]!;
  const [first, last] = [rows(points, 0, n), rows(points, count - n, count)];
  const cost = async (samples: HostArray<"float32">, iteration: number) => {
    const stage = { stage: "Sinkhorn", iteration, iterations, unit: "iterations" };
    const onProgress = (event: SinkhornProgress) => watch.onEvent?.({ ...stage, ...event });
    return (await sinkhorn(first, samples, { onProgress, signal: watch.signal })).cost;
  };
  const same = await cost(last, 0);
  const all: Evaluated[] = [];
  for (let k = 0; k <= iterations; k++) {
    const model = await run.readModel(k);
    await using source = await compilePrior(model, { sampler: "ddpm", eta: null, batch: n, steps }, engine);
    const samples = await drawAll(source, [0, n], {
      ...watch,
      stream: (index) => rng.split(index),
      stage: { name: "Prior samples", iteration: k, iterations },
    });
    const divergence = divergenceOf(await cost(samples, k), same);
    progress.message(`Iteration ${k}: Sinkhorn divergence of prior samples ${divergence.toPrecision(3)}`);
    const { seconds } = await run.readFigures(k);
    all.push({
      iteration: k,
      sinkhorn: divergence,
      seconds: (seconds.eStep ?? 0) + (seconds.mStep ?? 0),
      samples,
    });
  }
  return all;
}
