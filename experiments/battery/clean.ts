/** The same network after the same M-steps, but on clean latents: what a run could reach at best. */
import type { HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { fromUser } from "../../src/data/observations/coordinates.ts";
import { learningRateCourse } from "../../src/em/course.ts";
import { averagedParameters, beginTraining, initialState } from "../../src/em/m-step/state.ts";
import { compileTrainer } from "../../src/em/m-step.ts";
import type { RunFolder } from "../../src/em/run/run-folder.ts";
import { baseOf, type Model } from "../../src/inference/model.ts";
import { initialize } from "../../src/nn/parameters.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";

/**
 * The model of a finished run with weights learned from latents: the run's start, coordinates, steps and learning rates.
 * @param latents [n, ...latent]
 */
export async function learnClean(
  run: RunFolder,
  latents: HostArray<"float32">,
  engine: EngineOptions,
  signal?: AbortSignal,
): Promise<Model> {
  const { config } = run.info;
  const start = await run.readModel(0);
  const { network, coordinates, schedule } = start;
  const inside = fromUser(coordinates, latents);
  const size = sizeOf(network.shape);
  const draws = {
    count: latents.shape[0]!,
    copyRow: (index: number, out: Float32Array, row: number) =>
      out.set(inside.data.subarray(index * size, (index + 1) * size), row * size),
  };
  const rng = new Rng(config.seed).split("clean");
  const parameters = initialize(network.parameters, rng.split("network"));
  if (config.network.base === "gaussian") parameters["output.weight"]?.data.fill(0);
  const trainer = await compileTrainer(
    { network, mStep: config.mStep, schedule, base: baseOf(start) },
    engine,
  );
  try {
    let state = initialState(network, parameters);
    const iterations = await run.lastIteration();
    for (let k = 1; k <= iterations; k++) {
      const steps = (await run.readFigures(k)).mStep.steps!;
      const stage = { name: "M-step", iteration: k, iterations };
      const learningRate = learningRateCourse(config, k, steps);
      const request = { draws, steps, learningRate, rng: rng.split("m-step", k), stage, signal };
      ({ state } = await trainer.train(beginTraining(state), request));
    }
    return { ...start, parameters: averagedParameters(network, state) };
  } finally {
    await trainer.release();
  }
}
