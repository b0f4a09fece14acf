/** Draws of every posterior method, to be compared with exact ones. */
import { float32, type HostArray } from "../../src/core/array.ts";
import { isErrorOf } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/random.ts";
import type { Gaussian } from "../../src/diffusion/gaussian.ts";
import { type Mixture, mixtureDenoiser } from "../../src/diffusion/mixture.ts";
import { compileSampler } from "../../src/diffusion/sample.ts";
import { noiseLevels } from "../../src/diffusion/schedule.ts";
import type { Tensor } from "../../src/graph/index.ts";
import { matrix } from "../../src/operators/kinds/matrix.ts";
import { type MethodOptions, POSTERIORS, type PosteriorName } from "../../src/posterior/methods.ts";
import { systematicResample } from "../../src/posterior/particles/particles.ts";
import { compileTwisted } from "../../src/posterior/particles/tds.ts";
import type { EngineOptions } from "../../src/runtime/engine.ts";
import type { Pair } from "./divergence.ts";
import { FEATURES, MEASUREMENTS, NOISE, type Observation } from "./problem.ts";

export interface Contender {
  readonly title: string;
  readonly method: PosteriorName;
  readonly options: MethodOptions;
}

/** Down to a third of the thickness and of the noise, up to ten times the prior's width. */
const SCHEDULE = { sigmaMin: 0.003, sigmaMax: 10 } as const;
/** As many solver steps as measurements, and some for rounding: the systems are solved. */
const SOLVED = { cgSteps: 2 * MEASUREMENTS } as const;

/** Every method; those with a parameter have it twice, as a tuned one must not be judged by one value. */
export function contenders(gaussian: Gaussian): Contender[] {
  const mmps = (covariance: NonNullable<MethodOptions["covariance"]>): Contender => ({
    title: `mmps, ${covariance}`,
    method: "mmps",
    options: { ...SOLVED, covariance, gaussian },
  });
  return [
    mmps("tweedie"),
    mmps("sigma-x"),
    mmps("identity"),
    mmps("sigma-t"),
    { title: "pigdm", method: "pigdm", options: SOLVED },
    { title: "tmpd", method: "tmpd", options: {} },
    { title: "diffpir, lambda 8", method: "diffpir", options: { ...SOLVED, lambda: 8 } },
    { title: "diffpir, lambda 1", method: "diffpir", options: { ...SOLVED, lambda: 1 } },
    { title: "dps, zeta 1", method: "dps", options: { zeta: 1 } },
    { title: "dps, zeta 0.1", method: "dps", options: { zeta: 0.1 } },
  ];
}

const conditions = { A: [MEASUREMENTS, FEATURES], y: [MEASUREMENTS] };
const measurement = ({ A, y }: Readonly<Record<string, Tensor>>) => ({
  operator: matrix(A!),
  y: y!,
  variance: NOISE ** 2,
});

function feeds({ A, y }: Observation, rows: number): Record<string, HostArray<"float32">> {
  const repeat = (values: number[]) => Array.from({ length: rows }, () => values).flat();
  return {
    A: float32(repeat(A.to1DArray()), [rows, MEASUREMENTS, FEATURES]),
    y: float32(repeat(y.to1DArray()), [rows, MEASUREMENTS]),
  };
}

/**
 * Two sets of samples of one method for each observation and number of steps, handed on as [steps][observation];
 * undefined where they are not finite, as a method's own steps may overshoot without end.
 */
export async function sampleMethod(
  { method, options }: Contender,
  prior: Mixture,
  observations: readonly Observation[],
  steps: readonly number[],
  samples: number,
  seed: number,
  engine: EngineOptions,
): Promise<(Pair | undefined)[][]> {
  const denoiser = mixtureDenoiser(prior);
  const sampler = await compileSampler(
    {
      sampler: "ddpm",
      shape: [FEATURES],
      batch: 2 * samples,
      conditions,
      denoiser: (given) => POSTERIORS[method].make(denoiser, measurement(given), options),
    },
    engine,
  );
  try {
    const all: (Pair | undefined)[][] = [];
    for (const count of steps) {
      const row: (Pair | undefined)[] = [];
      for (const [i, observation] of observations.entries()) {
        const found = await finite(
          sampler.draw({
            streams: Array.from({ length: 2 * samples }, (_, k) => new Rng(seed).split("method", i, k)),
            levels: noiseLevels(SCHEDULE, count),
            conditions: feeds(observation, 2 * samples),
          }),
        );
        row.push(found && [rowsOf(found.samples, 0, samples), rowsOf(found.samples, samples, samples)]);
      }
      all.push(row);
    }
    return all;
  } finally {
    await sampler.release();
  }
}

async function finite<T>(drawn: Promise<T>): Promise<T | undefined> {
  try {
    return await drawn;
  } catch (error) {
    if (isErrorOf(error, "NumericalError")) return undefined;
    throw error;
  }
}

function rowsOf({ data }: HostArray<"float32">, first: number, count: number): HostArray<"float32"> {
  return float32(data.slice(first * FEATURES, (first + count) * FEATURES), [count, FEATURES]);
}

/**
 * Two sets of samples of twisted sampling with K particles: of independent clouds, as many as make the samples, each
 * cloud's particles by their weights, [observation].
 */
export async function sampleTwisted(
  prior: Mixture,
  observations: readonly Observation[],
  steps: number,
  particles: number,
  samples: number,
  seed: number,
  engine: EngineOptions,
): Promise<Pair[]> {
  const denoiser = mixtureDenoiser(prior);
  const sampler = await compileTwisted(
    { shape: [FEATURES], batch: 2 * samples, conditions, denoiser, measurement },
    engine,
  );
  try {
    const clouds = Math.max(1, Math.floor(samples / particles));
    const all: Pair[] = [];
    for (const [i, observation] of observations.entries()) {
      const found = await sampler.draw({
        streams: Array.from({ length: 2 * clouds }, (_, k) =>
          new Rng(seed).split("twisted", particles, i, k),
        ),
        levels: noiseLevels(SCHEDULE, steps),
        particles,
        conditions: feeds(observation, 2 * clouds),
      });
      const pick = (set: 0 | 1) => {
        const size = clouds * particles;
        const weights = found.weights.slice(set * size, (set + 1) * size).map((weight) => weight / clouds);
        const rng = new Rng(seed).split("pick", particles, i, set);
        const rows = Array.from(systematicResample(weights, samples, rng), (row) => set * size + row);
        const data = rows.flatMap((row) =>
          Array.from(found.particles.data.subarray(row * FEATURES, (row + 1) * FEATURES)),
        );
        return float32(data, [samples, FEATURES]);
      };
      all.push([pick(0), pick(1)]);
    }
    return all;
  } finally {
    await sampler.release();
  }
}
