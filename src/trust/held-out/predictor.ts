import { type HostArray, rows } from "../../core/array.ts";
import { compileOver } from "../../data/observations/observation-program.ts";
import type {
  ObservationBatch,
  ObservationKind,
  Observations,
} from "../../data/observations/observations.ts";
import { input } from "../../graph/index.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** Observations [first, first + n), what latents predict for them and what was measured, both [n, ...observationShape]. */
export interface Predicted {
  readonly first: number;
  readonly batch: ObservationBatch;
  readonly predicted: HostArray<"float32">;
  readonly measured: HostArray<"float32">;
}

/** Applies operators to latents; released by `await using`. */
export interface Predictor extends AsyncDisposable {
  /** Of the observations, in the coordinates of the latents. */
  readonly kind: ObservationKind;
  readonly count: number;
  /** A x and y of every observation, some at a time. @param x one latent for each, [count, ...latent] */
  predict(x: HostArray<"float32">): AsyncGenerator<Predicted>;
}

/** Observations at a time. */
const BATCH = 32;

/** @param observations in the coordinates of the latents */
export async function compilePredictor(
  observations: Observations,
  engine: EngineOptions,
): Promise<Predictor> {
  const { count, header } = observations;
  const size = Math.min(BATCH, count);
  const program = await compileOver(
    observations,
    size,
    ({ operator, y }) => {
      const x = input([size, ...header.latentShape]);
      return { inputs: { x }, outputs: { predicted: operator(x), measured: y } };
    },
    engine,
  );
  return {
    kind: observations,
    count,
    async *predict(latents) {
      for (let first = 0; first < count; first += size) {
        const end = Math.min(first + size, count);
        const batch = await observations.read(first, end);
        const found = await program.run(batch, { x: rows(latents, first, end) });
        yield {
          first,
          batch,
          predicted: found.predicted as HostArray<"float32">,
          measured: found.measured as HostArray<"float32">,
        };
      }
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
