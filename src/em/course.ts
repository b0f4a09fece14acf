import type { TrainConfig } from "./config/config.ts";
import type { Context } from "./context.ts";

/** How many of the observations are held out; one at least is trained on. */
export function heldOutCount({ em }: TrainConfig, total: number): number {
  return Math.min(Math.round(em.validation * total), total - 1);
}

/**
 * Which observations iteration k draws for: the next ones in order. The first iteration fills the whole buffer, for its
 * exact Gaussian draws are cheap; the last one may take more.
 */
export function observationRange(
  { em }: TrainConfig,
  total: number,
  k: number,
): { start: number; count: number } {
  const atMost = (count: number) => (count === 0 ? total : Math.min(count, total));
  const each = atMost(em.observations);
  const first = atMost(each * em.buffer);
  if (k === 1) return { start: 0, count: first };
  const count = k === em.iterations ? atMost(em.finalObservations) : each;
  return { start: (first + (k - 2) * each) % total, count };
}

/** Splits a range that runs over the end into one up to the end and one from the beginning. */
export function ranges(start: number, count: number, total: number): [number, number][] {
  const end = start + count;
  return end <= total
    ? [[start, end]]
    : [
        [start, total],
        [0, end - total],
      ];
}

/** The first of the iterations whose draws iteration k trains on; its own are the last. */
export function oldestDraws({ em }: TrainConfig, k: number): number {
  return Math.max(1, k - em.buffer + 1);
}

/** Files of the draws that iteration k trains on. */
export function drawPaths({ run, config }: Context, k: number): string[] {
  const oldest = oldestDraws(config, k);
  return Array.from({ length: k - oldest + 1 }, (_, i) => run.drawPaths(oldest + i).draws);
}

/**
 * Linear from the first rate to the second over the iterations before the last, then to the third. An optimizer that
 * starts anew goes from the first to the second in every iteration.
 * @param slowed M-steps before that learned nothing, each of which makes all rates a third
 */
export function learningRateCourse(
  config: TrainConfig,
  k: number,
  steps: number,
  slowed = 0,
): (step: number) => number {
  const [first, second, third] = config.mStep.learningRate.map((rate) => rate / 3 ** slowed) as [
    ...TrainConfig["mStep"]["learningRate"],
  ];
  const { iterations } = config.em;
  if (!config.em.carryOptimizer) return (step) => first + ((second - first) * (step + 1)) / (steps + 1);
  if (k === iterations) return (step) => second + ((third - second) * (step + 1)) / steps;
  const total = config.mStep.steps * (iterations - 1);
  return (step) => first + ((second - first) * (config.mStep.steps * (k - 1) + step + 1)) / total;
}
