import type { HostArray } from "../../core/array.ts";
import { pickRows } from "../../core/rows.ts";
import type { Shape } from "../../core/shape.ts";
import { compileOver } from "../../data/observations/observation-program.ts";
import { kindsOf, type ObservationSet, type OneKind } from "../../data/observations/observation-set.ts";
import type {
  ObservationBatch,
  ObservationKind,
  Observations,
} from "../../data/observations/observations.ts";
import { input } from "../../graph/index.ts";
import type { EngineOptions } from "../../runtime/engine.ts";

/** Some observations of one kind, what latents predict for them and what was measured, both [n, ...observationShape]. */
export interface Predicted extends Pick<OneKind, "kind" | "range" | "numbers"> {
  readonly of: ObservationKind;
  readonly batch: ObservationBatch;
  readonly predicted: HostArray<"float32">;
  readonly measured: HostArray<"float32">;
}

/** Applies operators to latents; released by `await using`. */
export interface Predictor extends AsyncDisposable {
  readonly latentShape: Shape;
  readonly count: number;
  /** A x and y of every observation, some at a time. @param x one latent for each, [count, ...latent] */
  predict(x: HostArray<"float32">): AsyncGenerator<Predicted>;
}

/** Observations at a time. */
const BATCH = 32;

/** @param set observations in the coordinates of the latents */
export async function compilePredictor(set: ObservationSet, engine: EngineOptions): Promise<Predictor> {
  const programs = new Map<number, Awaited<ReturnType<typeof compileKind>>>();
  for (const { kind, observations } of kindsOf(set))
    programs.set(kind, await compileKind(observations, engine));
  return {
    latentShape: set.header.latentShape,
    count: set.count,
    async *predict(latents) {
      for (const { kind, observations, numbers } of kindsOf(set)) {
        const { size, program } = programs.get(kind)!;
        for (let first = 0; first < numbers.length; first += size) {
          const end = Math.min(first + size, numbers.length);
          const own = numbers.subarray(first, end);
          const batch = await observations.read(first, end);
          const found = await program.run(batch, { x: pickRows(latents, own) });
          yield {
            kind,
            of: observations,
            range: [first, end],
            numbers: own,
            batch,
            predicted: found.predicted as HostArray<"float32">,
            measured: found.measured as HostArray<"float32">,
          };
        }
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const { program } of programs.values()) await program[Symbol.asyncDispose]();
    },
  };
}

async function compileKind(observations: Observations, engine: EngineOptions) {
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
  return { size, program };
}
