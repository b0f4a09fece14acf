import { float32, type HostArray } from "../../core/array.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { add, input } from "../../graph/index.ts";
import { countParameters, joinWeights, type ParameterSpec, sliceWeights } from "../../nn/parameters.ts";
import { type Arrays, compile } from "../../runtime/compile.ts";
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
  const { parameters } = spec.network;
  const current = optimizerInputs(countParameters(parameters));
  const weights = sliceWeights(parameters, current.parameters);
  const { inputs, loss, gradients, dropouts } = lossGraph(spec, batch, weights, 1);
  const gradient = joinWeights(parameters, gradients);
  const { settings, state } = optimizerGraph(current, gradient, clipNorm);
  const program = await compile({ inputs: { ...inputs, settings }, outputs: { loss }, state }, engine);
  return {
    dropouts,
    setState: (vectors) => program.setState({ ...vectors }),
    state: () => program.state() as unknown as StateVectors,
    run: async (rows, values) => {
      const { loss } = await program.run({ ...rows(0, batch), settings: values });
      return Number(loss.data[0]);
    },
    release: () => program.release(),
  };
}

/**
 * Two programs: one adds the gradients of m = `microBatch` rows to the sums so far, the other takes the optimizer's step
 * with the sums over the batch of B,
 *   g = sum over its parts of (m / B) grad (mean loss of the part) = grad (mean loss of the batch).
 * Activations are those of m rows; the sums take two more vectors of parameters (one is read while the other is
 * written). Weights and gradients are views of such vectors: nothing is cut or joined.
 */
async function compileInParts(
  spec: TrainerSpec,
  microBatch: number,
  engine: EngineOptions,
): Promise<OptimizerStep> {
  const { batch, clipNorm } = spec.mStep;
  const specs = spec.network.parameters;
  const size = countParameters(specs);
  const parts = batch / microBatch;
  const { adder, dropouts } = await compileAdder(spec, microBatch, engine);
  const total = input([size]);
  const { settings, state } = optimizerGraph(optimizerInputs(size), total, clipNorm);
  const optimizer = await compile({ inputs: { gradient: total, settings }, outputs: {}, state }, engine);
  const vector = () => float32(new Float32Array(size));
  let [sum, spare] = [vector(), vector()];
  return {
    dropouts,
    setState: (vectors) => optimizer.setState({ ...vectors }),
    state: () => optimizer.state() as unknown as StateVectors,
    run: async (rows, values) => {
      const weights = views(specs, (optimizer.state() as unknown as StateVectors).parameters);
      let mean = 0;
      sum.data.fill(0);
      for (let start = 0; start < batch; start += microBatch) {
        const feeds = { ...rows(start, start + microBatch), weights, before: views(specs, sum) };
        const { loss } = await adder.run(feeds, { after: views(specs, spare) });
        mean += Number(loss.data[0]) / parts;
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

/** The program that adds a micro-batch's share of the gradient of each weight. */
async function compileAdder(spec: TrainerSpec, microBatch: number, engine: EngineOptions) {
  const specs = spec.network.parameters;
  const tensors = () => Object.fromEntries(specs.map(({ name, shape }) => [name, input(shape)]));
  const [weights, before] = [tensors(), tensors()];
  const share = microBatch / spec.mStep.batch;
  const { inputs, loss, gradients, dropouts } = lossGraph(spec, microBatch, weights, share);
  const after = Object.fromEntries(specs.map(({ name }) => [name, add(before[name]!, gradients[name]!)]));
  const adder = await compile(
    {
      inputs: { ...inputs, weights, before },
      outputs: { loss, after },
    },
    engine,
  );
  return { adder, dropouts };
}

/** The parts of a vector of all parameters, without a copy. */
function views(specs: readonly ParameterSpec[], flat: HostArray<"float32">): Arrays {
  let end = 0;
  const parts = specs.map(({ name, shape }) => {
    end += sizeOf(shape);
    return [name, float32(flat.data.subarray(end - sizeOf(shape), end), shape)] as const;
  });
  return Object.fromEntries(parts);
}
