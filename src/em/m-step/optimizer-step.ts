import { float32, type HostArray } from "../../core/array.ts";
import type { Shape } from "../../core/shape.ts";
import { add, input } from "../../graph/index.ts";
import { countParameters } from "../../nn/parameters.ts";
import { compile } from "../../runtime/compile.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import type { Batch } from "./batch.ts";
import { lossGraph, type TrainerSpec } from "./loss-graph.ts";
import { optimizerGraph, optimizerInputs } from "./optimizer-graph.ts";
import type { StateVectors } from "./state.ts";

/** A compiled optimizer step, whose state stays with it between steps. */
export interface OptimizerStep {
  /** Shapes of the dropout masks of one image. */
  readonly dropouts: readonly Shape[];
  readonly setState: (vectors: StateVectors) => void;
  /** The vectors now; copy them to keep them over the next step. */
  readonly state: () => StateVectors;
  /** Takes a step. @param settings see `optimizerSettings` @returns the loss of the batch */
  readonly run: (batch: Batch, settings: HostArray) => Promise<number>;
  readonly release: () => Promise<void>;
}

/** Compiles the step: one program, or two where the batch is worked through in parts. */
export async function compileOptimizerStep(spec: TrainerSpec, engine: EngineOptions): Promise<OptimizerStep> {
  const { batch, microBatch } = spec.mStep;
  return (microBatch ?? batch) === batch
    ? await compileWhole(spec, engine)
    : await compileInParts(spec, microBatch!, engine);
}

/** Gradient and optimizer in one program: no vector of gradients leaves the engine. */
async function compileWhole(spec: TrainerSpec, engine: EngineOptions): Promise<OptimizerStep> {
  const { batch, clipNorm } = spec.mStep;
  const current = optimizerInputs(countParameters(spec.network.parameters));
  const { inputs, loss, gradient, dropouts } = lossGraph(spec, batch, current.parameters, 1);
  const { settings, state } = optimizerGraph(current, gradient, clipNorm);
  const program = await compile({ inputs: { ...inputs, settings }, outputs: { loss }, state }, engine);
  return {
    dropouts,
    setState: (vectors) => program.setState({ ...vectors }),
    state: () => program.state() as unknown as StateVectors,
    run: async (rows, values) => {
      const outputs = await program.run({ ...rows(0, batch), settings: values });
      return Number(outputs.loss!.data[0]);
    },
    release: () => program.release(),
  };
}

/**
 * Two programs: one adds the gradient of `microBatch` rows to the sum so far, the other takes the optimizer's step with
 * the sum over the batch. Activations are those of `microBatch` rows; the sum takes two more vectors of parameters (one
 * is read while the other is written). The parameters are not copied: one program reads what the other keeps.
 */
async function compileInParts(
  spec: TrainerSpec,
  microBatch: number,
  engine: EngineOptions,
): Promise<OptimizerStep> {
  const { batch, clipNorm } = spec.mStep;
  const size = countParameters(spec.network.parameters);
  const parts = batch / microBatch;
  const [parameters, before, total] = [input([size]), input([size]), input([size])];
  const { inputs, loss, gradient, dropouts } = lossGraph(spec, microBatch, parameters, 1 / parts);
  const adder = await compile(
    { inputs: { ...inputs, parameters, before }, outputs: { loss, sum: add(before, gradient) } },
    engine,
  );
  const { settings, state } = optimizerGraph(optimizerInputs(size), total, clipNorm);
  const optimizer = await compile({ inputs: { gradient: total, settings }, outputs: {}, state }, engine);
  let sum = float32(new Float32Array(size));
  let spare = float32(new Float32Array(size));
  return {
    dropouts,
    setState: (vectors) => optimizer.setState({ ...vectors }),
    state: () => optimizer.state() as unknown as StateVectors,
    run: async (rows, values) => {
      const weights = optimizer.state().parameters!;
      let mean = 0;
      sum.data.fill(0);
      for (let start = 0; start < batch; start += microBatch) {
        const feeds = { ...rows(start, start + microBatch), parameters: weights, before: sum };
        const outputs = await adder.run(feeds, { sum: spare });
        mean += Number(outputs.loss!.data[0]) / parts;
        [sum, spare] = [spare, sum];
      }
      await optimizer.run({ gradient: sum, settings: values });
      return mean;
    },
    release: async () => {
      await adder.release();
      await optimizer.release();
    },
  };
}
