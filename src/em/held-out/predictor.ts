import { type HostArray, rows } from "../../core/array.ts";
import { bindMeasurement, conditionArrays, conditionInputs } from "../../data/observations/measurement.ts";
import type {
  ObservationBatch,
  ObservationKind,
  Observations,
} from "../../data/observations/observations.ts";
import { input } from "../../graph/index.ts";
import { compile } from "../../runtime/compile.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** Observations [first, first + n), what latents predict for them and what was measured, both [n, ...observationShape]. */
export interface Predicted {
  readonly first: number;
  readonly batch: ObservationBatch;
  readonly predicted: HostArray<"float32">;
  readonly measured: HostArray<"float32">;
}

/** Applies operators to latents. Release it when done. */
export interface Predictor {
  /** Of the observations, in the coordinates of the latents. */
  readonly kind: ObservationKind;
  readonly count: number;
  /** A x and y of every observation, some at a time. @param x one latent for each, [count, ...latent] */
  predict(x: HostArray<"float32">): AsyncGenerator<Predicted>;
  release(): Promise<void>;
}

/** Observations at a time. */
const BATCH = 32;

/** @param observations in the coordinates of the latents */
export async function compilePredictor(
  observations: Observations,
  engine: EngineOptions,
): Promise<Predictor> {
  const { count, header } = observations;
  const n = Math.min(BATCH, count);
  const conditions = conditionInputs(observations, n);
  const x = input([n, ...header.latentShape]);
  const { operator, y } = bindMeasurement(observations, conditions);
  const program = await compile(
    { inputs: { x, ...conditions }, outputs: { predicted: operator(x), measured: y } },
    engine,
  );
  return {
    kind: observations,
    count,
    async *predict(latents) {
      for (let start = 0; start < count; start += n) {
        const first = Math.min(start, count - n); // the last batch may repeat some
        const batch = await observations.read(first, first + n);
        const found = await program.run({ x: rows(latents, first, first + n), ...conditionArrays(batch) });
        yield {
          first,
          batch,
          predicted: found.predicted as HostArray<"float32">,
          measured: found.measured as HostArray<"float32">,
        };
      }
    },
    release: () => program.release(),
  };
}
