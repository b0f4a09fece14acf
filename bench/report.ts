/** Figures of a bench, as JSON and as a table. */
import { cpus, platform, release, totalmem } from "node:os";
import { type CaseName, caseNamed } from "./cases.ts";
import { samplingFlops, trainingFlops } from "./flops.ts";
import type { CaseTask } from "./job.ts";
import type { Options } from "./options.ts";
import { pythonVersions } from "./python.ts";
import { isMeasured, type Measured, type Outcome } from "./rounds.ts";
import { type OperationName, REPEATS } from "./tasks/operations.ts";
import { PRODUCT_SIZE } from "./tasks/product.ts";

/** Outcomes by case, task and side. */
export type CaseOutcomes = Partial<Record<CaseName, Partial<Record<CaseTask, Record<string, Outcome>>>>>;

/** All that was measured. */
export interface Findings {
  readonly python: string | undefined;
  readonly cases: CaseOutcomes;
  operations?: Record<string, Record<string, Outcome>>;
  startup?: Record<string, number>;
  growth?: Record<string, readonly (number | undefined)[]>;
}

export type Report = ReturnType<typeof report>;

/** Everything as JSON. */
export function report(options: Options, { python, cases, operations, startup, growth }: Findings) {
  const figures = Object.entries(cases).map(([name, tasks]) => [
    name,
    Object.fromEntries(
      Object.entries(tasks).map(([task, sides]) => [
        task,
        taskFigures(name as CaseName, task as CaseTask, sides),
      ]),
    ),
  ]);
  return {
    date: new Date().toISOString(),
    machine: machine(options, python),
    rounds: options.rounds,
    ratios: ratios(cases),
    peakFraction: peakFractions(Object.fromEntries(figures)),
    cases: Object.fromEntries(figures) as Record<string, TaskFigures>,
    ...(operations && {
      operations: Object.fromEntries(
        Object.entries(operations).map(([name, sides]) => [name, perCall(name as OperationName, sides)]),
      ),
    }),
    ...(startup && { startup }),
    ...(growth && { growth }),
  };
}

type TaskFigures = Record<string, Record<string, Figures>>;

/** What the table shows of a side. */
export interface Figures extends Partial<Measured> {
  readonly imagesPerSecond?: number;
  readonly stepsPerSecond?: number;
  readonly msPerStep?: number;
  readonly gflops?: number;
  readonly peakFraction?: number;
  readonly bytesPerImage?: number;
  readonly msPerCall?: number;
  readonly refused?: string;
}

/** Ours, by task and case. */
function peakFractions(figures: Record<string, TaskFigures>): Record<string, Record<string, number>> {
  const found: Record<string, Record<string, number>> = {};
  for (const [name, tasks] of Object.entries(figures))
    for (const [task, { diem }] of Object.entries(tasks))
      if (diem?.peakFraction !== undefined) found[task] = { ...found[task], [name]: diem.peakFraction };
  return found;
}

function perCall(name: OperationName, sides: Record<string, Outcome>): Record<string, Figures> {
  return Object.fromEntries(
    Object.entries(sides).map(([side, outcome]) => [
      side,
      isMeasured(outcome)
        ? { msPerCall: round((1000 * outcome.median) / REPEATS[name]), ...outcome }
        : outcome,
    ]),
  );
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

function taskFigures(
  name: CaseName,
  task: CaseTask,
  sides: Record<string, Outcome>,
): Record<string, Figures> {
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
  task: CaseTask,
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
