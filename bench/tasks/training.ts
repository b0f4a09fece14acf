import { float32 } from "../../src/core/array.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { normalBase } from "../../src/diffusion/base.ts";
import { beginTraining, initialState } from "../../src/em/m-step/state.ts";
import { compileTrainer, type TrainingRequest } from "../../src/em/m-step.ts";
import { type Case, networkOf, SCHEDULE } from "../cases.ts";
import { cleanSamples, readInputs, trainingStream, weightsOf } from "../inputs.ts";
import type { Task } from "./task.ts";

/** Optimizer steps: the loss, its gradient, Adam and the moving average. The results are those of the first step. */
export async function mStepTask(one: Case, input: string, threads: number): Promise<Task> {
  const network = networkOf(one);
  const initial = initialState(network, weightsOf(readInputs(input)));
  const trainer = await compileTrainer(
    { network, mStep: one.mStep, schedule: SCHEDULE, base: normalBase },
    { threads },
  );
  const clean = cleanSamples(one);
  const size = sizeOf(one.shape);
  const request = (steps: number): TrainingRequest => ({
    draws: {
      count: clean.shape[0]!,
      copyRow: (index, out, row) =>
        out.set(clean.data.subarray(index * size, (index + 1) * size), row * size),
    },
    steps,
    learningRate: () => one.mStep.learningRate[0],
    rng: trainingStream(),
    stage: { name: "bench", iteration: 0, iterations: 1 },
  });
  const { state, loss } = await trainer.train(beginTraining(initial), request(1));
  return {
    results: {
      loss: float32([loss[0]![1]]),
      gradient: state.first,
      parameters: state.parameters,
      average: state.average,
    },
    run: async () => {
      await trainer.train(beginTraining(initial), request(one.optimizerSteps));
    },
  };
}
