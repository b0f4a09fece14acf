/** Makes a case and asks diem what is wrong with it. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { float32 } from "../../src/core/array.ts";
import type { Watch } from "../../src/core/events.ts";
import { makeFolder } from "../../src/core/files.ts";
import { Rng } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { type Observations, openObservations } from "../../src/data/observations/observations.ts";
import { checkRun } from "../../src/em/check.ts";
import { defaultConfig } from "../../src/em/config/config.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import { type CheckSizes, checkPrior } from "../../src/trust/check.ts";
import type { Level, Verdict, VerdictName } from "../../src/trust/verdict.ts";
import { learn } from "../battery/learn.ts";
import { observe, writeObserved } from "../battery/measurements.ts";
import { type Component, drawMixture, momentsOfMixture } from "../battery/mixture.ts";
import { TRUTHS, type Truth, type TruthName } from "../battery/truths.ts";
import { many, type TrustCase } from "./cases.ts";
import { byHeart, exactModel } from "./exact.ts";

/** What diem said of a case. */
export interface CaseResult {
  readonly name: string;
  readonly seed: number;
  /** Of the code that said it. */
  readonly commit?: string;
  readonly verdicts: readonly Pick<Verdict, "name" | "level" | "value" | "error">[];
}

export interface JudgeOptions extends Watch {
  readonly seed: number;
  readonly sizes: CheckSizes;
  /** Folder for observations and runs; removed afterwards. */
  readonly folder: string;
  readonly engine: EngineOptions;
}

export async function judgeCase(one: TrustCase, options: JudgeOptions): Promise<CaseResult> {
  const { seed, folder } = options;
  await makeFolder(folder);
  try {
    const learned = await measured(one, one.truth, "learned", options);
    const others = one.judged && (await measured({ ...one, count: many }, one.judged, "judged", options));
    const verdicts =
      typeof one.prior === "object"
        ? await judgeTrained(one, one.prior.set, learned, options)
        : await judgeExact(one, learned, others, options);
    return {
      name: one.name,
      seed,
      verdicts: verdicts.map(({ name, level, value, error }) => ({ name, level, value, error })),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Observations of a truth as the case has them, on the disk. */
async function measured(
  { count, measured: operator, noise, spoil }: TrustCase,
  name: TruthName,
  which: string,
  { seed, folder, engine, signal }: JudgeOptions,
): Promise<Observations> {
  const truth: Truth = TRUTHS[name];
  const rng = streamOf(seed, name, which);
  const latents = float32(drawLatents(truth, count, rng), [count, ...truth.latentShape]);
  const { mean } = momentsOfMixture(truth.components);
  const right = await observe(latents, mean, operator, noise, rng.split("measure"), engine);
  const path = join(folder, which);
  await writeObserved(path, spoil ? spoil(right) : right, signal);
  return await openObservations(path);
}

const streamOf = (seed: number, name: TruthName, which: string) => new Rng(seed).split("trust", name, which);

function drawLatents({ components }: Truth, count: number, rng: Rng): Float32Array {
  return drawMixture(components, count, rng.split("latents"));
}

/** With the truth, its Gaussian, or the latents themselves in place of what was learned. */
async function judgeExact(
  one: TrustCase,
  learned: Observations,
  others: Observations | undefined,
  { seed, sizes, engine, folder: _, ...watch }: JudgeOptions,
): Promise<Verdict[]> {
  const truth: Truth = TRUTHS[one.truth];
  const { header, count } = learned;
  const config = defaultConfig(truth.latentShape, count, sizeOf(header.observationShape));
  const noise = Math.sqrt(Number(header.noiseVariance));
  return await checkPrior(
    {
      model: exactModel(truth, config, noise, priorOf(one, seed)),
      choice: { ...config.eStep, ...one.eStep },
      observations: others ?? learned,
      learned,
      ...(one.judged === one.truth && { trained: learned }),
      ...(others && { like: learned }),
    },
    { ...watch, sizes, rng: new Rng(seed).split("check"), engine },
  );
}

/** The prior of a case that trains none; undefined for the Gaussian. */
function priorOf({ prior, truth: name, count }: TrustCase, seed: number): readonly Component[] | undefined {
  const truth: Truth = TRUTHS[name];
  if (prior === "gaussian") return undefined;
  if (prior === "by heart") return byHeart(truth, drawLatents(truth, count, streamOf(seed, name, "learned")));
  return truth.components;
}

async function judgeTrained(
  { eStep: _, ...one }: TrustCase,
  set: readonly string[],
  learned: Observations,
  { seed, engine, folder, sizes: _sizes, ...watch }: JudgeOptions,
): Promise<readonly Verdict[]> {
  const run = await learn(learned, join(folder, `run-${one.truth}`), {
    ...watch,
    seed,
    set,
    minutes: undefined,
    engine,
  });
  const { verdicts } = await checkRun(run, learned, {
    ...watch,
    seed,
    engine,
    iteration: await run.lastIteration(),
  });
  return verdicts;
}

/** Whether a fault was named by a verdict that it belongs to; undefined where nothing is wrong. */
export function isNamed({ belongs }: TrustCase, { verdicts }: CaseResult): boolean | undefined {
  return belongs && verdicts.some(({ name, level }) => belongs.includes(name) && isAlarm(level));
}

/** Verdicts that raise an alarm. */
export function alarmsOf({ verdicts }: CaseResult): VerdictName[] {
  return verdicts.filter(({ level }) => isAlarm(level)).map(({ name }) => name);
}

const isAlarm = (level: Level) => level === "wrong" || level === "doubtful";
