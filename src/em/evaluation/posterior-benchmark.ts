import type { HostArray } from "../../core/array.ts";
import { isErrorOf } from "../../core/errors.ts";
import type { Watch } from "../../core/events.ts";
import { Rng } from "../../core/random.ts";
import type { Observations } from "../../data/observations/observations.ts";
import { noiseLevels } from "../../diffusion/schedule.ts";
import type { Model } from "../../inference/model.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { drawResidual } from "../vitals/residual.ts";
import { type BenchmarkMethod, solverStepsOf } from "./benchmark-methods.ts";
import { type BenchmarkSampler, benchmarkSampler, type SamplerSettings } from "./benchmark-sampler.ts";
import type { BenchmarkTask } from "./benchmark-tasks.ts";
import { imageQualities, meanQuality, type Quality } from "./image-quality.ts";
import { watchMemory } from "./resident-memory.ts";

/** One task made of the images. */
export interface BenchmarkProblem {
  readonly task: BenchmarkTask;
  readonly observations: Observations;
  /** See `mostMeasured`. */
  readonly measured: number;
}

/** What is compared. */
export interface BenchmarkPlan extends SamplerSettings {
  readonly methods: readonly BenchmarkMethod[];
  /** Solver steps of the methods whose solver needs the network. */
  readonly solverSteps: readonly number[];
  /** Sampler steps. */
  readonly steps: readonly number[];
  /** Draw i of every method and task uses the same random stream, that of image i. */
  readonly seed: number;
}

/** A method on a task with so many steps. */
export interface CellKey {
  readonly task: string;
  readonly method: string;
  /** Absent without a solver. */
  readonly solverSteps?: number;
  /** Sampler steps. */
  readonly steps: number;
}

/** What was measured. */
export interface BenchmarkFigures extends Quality {
  /** Mean over measured entries of (y - A x)^2 / Sigma_y of the draws as they are; near 1 for exact posterior draws. */
  readonly chiSquare: number;
  /** Seconds for one sampler step of one image, compilation apart. */
  readonly secondsPerStep: number;
  /** Largest resident memory of the process while the cell ran, in bytes. */
  readonly peakMemory: number;
  /** How far that exceeds the memory resident before the method was compiled. */
  readonly addedMemory: number;
}

/** A finished cell: figures, or why there are none. */
export interface BenchmarkCell extends CellKey {
  /** Evaluations of the network for one draw. */
  readonly evaluations: number;
  /** Vector-Jacobian products with the network for one draw. */
  readonly products: number;
  readonly figures?: BenchmarkFigures;
  /** The error of draws that are not finite. */
  readonly failure?: string;
}

/** A pair that cannot be, and why. */
export interface Refusal {
  readonly task: string;
  /** Absent if the images do not suit the task, whatever the method. */
  readonly method?: string;
  readonly reason: string;
}

/** Where the results go. */
export interface BenchmarkSink extends Watch {
  /** Cells that need not be measured again. */
  readonly isDone: (key: CellKey) => boolean;
  /** Called after each cell. @param draws [n, ...latent], absent after a failure */
  readonly onCell: (cell: BenchmarkCell, draws?: HostArray<"float32">) => Promise<void>;
  readonly onRefusal: (refusal: Refusal) => Promise<void>;
  /** Called after all cells of a method on a task. */
  readonly onMethod: () => Promise<void>;
}

/** A cell's name for files and messages: task, method, solver steps, sampler steps. */
export function cellName({ task, method, solverSteps, steps }: CellKey): string {
  return [task, method, ...(solverSteps === undefined ? [] : [solverSteps]), steps].join("-");
}

/** One compilation: a method on a task with all numbers of sampler steps that are still to do. */
interface Group {
  readonly problem: BenchmarkProblem;
  readonly method: BenchmarkMethod;
  readonly keys: readonly CellKey[];
}

/**
 * Draws from q(x | y, A) for every task, method, number of solver steps and number of sampler steps, and compares the
 * draws with the images.
 * @param truth the images, [n, ...latent]
 * @throws AbortedError if stopped; what `sink` was told by then is complete
 */
export async function posteriorBenchmark(
  model: Model,
  truth: HostArray<"float32">,
  problems: readonly BenchmarkProblem[],
  plan: BenchmarkPlan,
  range: readonly [number, number],
  sink: BenchmarkSink,
  engine: EngineOptions,
): Promise<void> {
  const groups = groupsOf(problems, plan, sink);
  const samplerOf = ({ problem, method, keys }: Group) =>
    benchmarkSampler(model, problem, method, keys[0]!.solverSteps, plan, engine);
  const workOf = (group: Group) => {
    const { cost } = samplerOf(group);
    return group.keys.reduce((sum, { steps }) => sum + truth.shape[0]! * passes(cost(steps)), 0);
  };
  const progress = { done: 0, total: groups.reduce((sum, group) => sum + workOf(group), 0) };
  for (const group of groups) {
    const { task } = group.problem;
    const memory = watchMemory();
    const sampler = samplerOf(group);
    try {
      await sampler.compile();
      for (const key of group.keys) {
        const { cell, draws } = await measure(key, sampler, {
          truth,
          range,
          group,
          plan,
          sink,
          progress,
          memory,
          engine,
        });
        await sink.onCell(cell, draws);
      }
    } catch (error) {
      if (!isErrorOf(error, "ConfigError")) throw error;
      progress.total -= workOf(group);
      await sink.onRefusal({ task: task.name, method: group.method.name, reason: (error as Error).message });
    } finally {
      memory.stop();
      await sampler.release();
    }
    await sink.onMethod();
  }
}

function groupsOf(
  problems: readonly BenchmarkProblem[],
  { methods, solverSteps, steps }: BenchmarkPlan,
  { isDone }: BenchmarkSink,
): Group[] {
  const groups = problems.flatMap((problem) =>
    methods.flatMap((method) =>
      solverStepsOf(method, solverSteps).map((solver) => {
        const keys = steps.map((count) => ({
          task: problem.task.name,
          method: method.name,
          ...(solver !== undefined && { solverSteps: solver }),
          steps: count,
        }));
        return { problem, method, keys: keys.filter((key) => !isDone(key)) };
      }),
    ),
  );
  return groups.filter(({ keys }) => keys.length > 0);
}

interface Cost {
  readonly evaluations: number;
  readonly products: number;
}

const passes = ({ evaluations, products }: Cost) => evaluations + products;

interface Context {
  readonly truth: HostArray<"float32">;
  readonly range: readonly [number, number];
  readonly group: Group;
  readonly plan: BenchmarkPlan;
  readonly sink: BenchmarkSink;
  /** In network passes. */
  readonly progress: { done: number; total: number };
  readonly memory: ReturnType<typeof watchMemory>;
  readonly engine: EngineOptions;
}

async function measure(
  key: CellKey,
  sampler: BenchmarkSampler,
  { truth, range, group, plan, sink, progress, memory, engine }: Context,
): Promise<{ cell: BenchmarkCell; draws?: HostArray<"float32"> }> {
  const n = truth.shape[0]!;
  const cost = sampler.cost(key.steps);
  const work = n * passes(cost);
  const rng = new Rng(plan.seed);
  const began = performance.now();
  try {
    const draws = await sampler.draw({
      levels: noiseLevels(sampler.schedule, key.steps),
      stream: (index) => rng.split("benchmark", index),
      signal: sink.signal,
      onShare: (share) => {
        const { total, done } = progress;
        const at = { stage: "Benchmark", iteration: 0, iterations: 0, unit: "network passes" };
        sink.onEvent?.({ ...at, done: done + share * work, total });
      },
    });
    const seconds = (performance.now() - began) / 1000;
    const peakMemory = memory.peak();
    const residual = await drawResidual(group.problem.observations, 0, draws, engine);
    const figures = {
      ...meanQuality(imageQualities(draws, truth, range)),
      chiSquare: residual ** 2,
      secondsPerStep: seconds / (n * sampler.steps(key.steps)),
      peakMemory,
      addedMemory: Math.max(0, peakMemory - memory.before),
    };
    return { cell: { ...key, ...cost, figures }, draws };
  } catch (error) {
    if (!isErrorOf(error, "NumericalError")) throw error;
    return { cell: { ...key, ...cost, failure: (error as Error).message } };
  } finally {
    progress.done += work;
  }
}
