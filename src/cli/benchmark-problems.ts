import type { HostArray } from "../core/array.ts";
import { isErrorOf } from "../core/errors.ts";
import { Rng } from "../core/random.ts";
import { corruptor } from "../data/corrupt.ts";
import { observationsInMemory } from "../data/observations/observation-arrays.ts";
import type { BenchmarkTask } from "../em/evaluation/benchmark-tasks.ts";
import type { BenchmarkProblem, Refusal } from "../em/evaluation/posterior-benchmark.ts";
import { mostMeasured } from "../em/vitals/measured.ts";
import type { EngineOptions } from "../runtime/engine.ts";

/**
 * Makes the observations of each task; those of a task do not depend on which others there are.
 * @returns the tasks that the images suit, and why the others do not
 */
export async function makeProblems(
  tasks: readonly BenchmarkTask[],
  truth: HostArray<"float32">,
  range: readonly [number, number],
  seed: number,
  engine: EngineOptions,
): Promise<{ problems: BenchmarkProblem[]; refusals: Refusal[] }> {
  const problems: BenchmarkProblem[] = [];
  const refusals: Refusal[] = [];
  const latentShape = truth.shape.slice(1);
  for (const task of tasks) {
    try {
      const rng = new Rng(seed).split("benchmark", task.name);
      const options = { noiseVariance: task.noise ** 2, rng, engine };
      const made = corruptor(task.corruption, latentShape, options);
      try {
        const { operator, noiseVariance } = made.header;
        const parts = { ...(await made.make(truth, 0)), noiseVariance: Number(noiseVariance) };
        const observations = observationsInMemory({ ...parts, operator, latentShape, range }, task.name);
        problems.push({ task, observations, measured: await mostMeasured(observations, engine) });
      } finally {
        await made.release();
      }
    } catch (error) {
      const isUnfit = (["ConfigError", "ShapeError", "DataError"] as const).some((name) =>
        isErrorOf(error, name),
      );
      if (!isUnfit) throw error;
      refusals.push({ task: task.name, reason: (error as Error).message });
    }
  }
  return { problems, refusals };
}
