/** Figures of a bench, as JSON and as a table. */
import { cpus, platform, release, totalmem } from "node:os";
import { type CaseName, caseNamed } from "./cases.ts";
import { samplingFlops, trainingFlops } from "./flops.ts";
import type { TaskName } from "./job.ts";
import type { Options } from "./options.ts";
import { pythonVersions } from "./python.ts";
import { isMeasured, type Measured, type Outcome } from "./rounds.ts";
import { PRODUCT_SIZE } from "./tasks/product.ts";

/** Outcomes by case, task and side. */
export type CaseOutcomes = Partial<Record<CaseName, Partial<Record<TaskName, Record<string, Outcome>>>>>;

export function report(options: Options, python: string | undefined, cases: CaseOutcomes) {
  const figures = Object.entries(cases).map(([name, tasks]) => [
    name,
    Object.fromEntries(
      Object.entries(tasks).map(([task, sides]) => [
        task,
        taskFigures(name as CaseName, task as TaskName, sides),
      ]),
    ),
  ]);
  const json = {
    date: new Date().toISOString(),
    machine: machine(options, python),
    rounds: options.rounds,
    ratios: ratios(cases),
    cases: Object.fromEntries(figures),
  };
  return { json, text: JSON.stringify(json, null, 2) };
}

/** Our images (or optimizer steps) per second divided by theirs, by task, case and peer. */
function ratios(cases: CaseOutcomes) {
  const found: Record<string, Record<string, Record<string, number>>> = {};
  for (const [name, tasks] of Object.entries(cases))
    for (const [task, sides] of Object.entries(tasks)) {
      const ours = sides.diem;
      if (!isMeasured(ours)) continue;
      const peers = Object.entries(sides).filter(([side]) => side !== "diem" && side !== "peak");
      const times = peers.flatMap(([side, outcome]) =>
        isMeasured(outcome) ? [[side, round(outcome.median / ours.median)]] : [],
      );
      found[task] ??= {};
      found[task][name] = Object.fromEntries(times);
    }
  return found;
}

function taskFigures(name: CaseName, task: TaskName, sides: Record<string, Outcome>) {
  const peak = isMeasured(sides.peak) ? (2 * PRODUCT_SIZE ** 3) / sides.peak.median : undefined;
  return Object.fromEntries(
    Object.entries(sides).map(([side, outcome]) => {
      if (!isMeasured(outcome)) return [side, outcome];
      if (side === "peak") return [side, { gflops: round(peak! / 1e9), ...outcome }];
      return [side, { ...figuresOf(name, task, outcome, peak), ...outcome }];
    }),
  );
}

function figuresOf(
  name: CaseName,
  task: TaskName,
  { median, peak: memory, baseline }: Measured,
  peak?: number,
) {
  const one = caseNamed(name);
  const training = task === "mStep";
  const flops = training ? trainingFlops(one) : samplingFlops(one, task === "eStep" ? one.cgSteps : 0);
  const batch = training ? one.mStep.batch : one.batch;
  return {
    ...(training
      ? { stepsPerSecond: round(one.optimizerSteps / median) }
      : { imagesPerSecond: round(one.batch / median), msPerStep: round((1000 * median) / (one.steps + 1)) }),
    gflops: round(flops / median / 1e9),
    ...(peak && { peakFraction: round(flops / median / peak) }),
    bytesPerImage: Math.round((memory - baseline) / batch),
  };
}

function machine({ threads }: Options, python: string | undefined) {
  return {
    processor: cpus()[0]?.model,
    cores: cpus().length,
    threads,
    memory: totalmem(),
    system: `${platform()} ${release()}`,
    node: process.version,
    ...(python && pythonVersions(python)),
  };
}

/** Four digits. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
