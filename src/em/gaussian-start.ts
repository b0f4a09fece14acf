import { Matrix } from "ml-matrix";
import { float32, type HostArray, hostArray } from "../core/array.ts";
import { AbortedError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { sizeOf } from "../core/shape.ts";
import type { Observations } from "../data/observations.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { padRows } from "../diffusion/sample.ts";
import { concat, input, matmul, mul, reshape, square, sub, sum } from "../graph/index.ts";
import { gaussianPosterior } from "../posterior/gaussian.ts";
import { type Arrays, compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import type { StartConfig } from "./config.ts";
import type { Watch } from "./events.ts";
import { gaussianNoise } from "./gaussian-draws.ts";
import { fitSmallGaussian, isSmall } from "./gaussian-exact.ts";
import { Moments, maximize, orthonormal } from "./gaussian-update.ts";
import {
  bindMeasurement,
  conditionArrays,
  conditionInputs,
  gaussianCgSteps,
  patternShape,
} from "./posterior.ts";

/** Extra directions that the range of the covariance is sketched with, beyond the rank asked for. */
const OVERSAMPLING = 8;
/** Observations together, at most. */
const LARGEST_BATCH = 256;

/** Fits a Gaussian to observations: in closed form if they are small, else with sketches. */
export async function fitGaussian(
  observations: Observations,
  config: StartConfig,
  rng: Rng,
  engine: EngineOptions = {},
  options: FitOptions = {},
): Promise<Gaussian> {
  return isSmall(observations.header)
    ? await fitSmallGaussian(observations, config, engine, options)
    : await fitLargeGaussian(observations, config, rng, engine, options);
}

/**
 * Fits N(mean, D I + U U') to observations by EM [Rozet24, section 4.1], U of rank r (PPCA [Tipping99]).
 * E-step: the exact posterior mean m_i of each latent and one exact deviation e_i (`gaussianPosterior`), whose
 * moments give the expected covariance   S = mean(m m') + mean(e e') about the new mean.
 * M-step: mean <- mean(m_i), U U' <- top r eigenpairs of S less D, D <- mean of the rest. The eigenpairs come from a
 * one-pass sketch (S Q for an orthonormal Q, [Halko11]) with Q carried from iteration to iteration, so nothing of
 * size N x N is ever formed and memory does not grow with the number of observations.
 */
export async function fitLargeGaussian(
  observations: Observations,
  config: StartConfig,
  rng: Rng,
  engine: EngineOptions = {},
  options: FitOptions = {},
): Promise<Gaussian> {
  const N = sizeOf(observations.header.latentShape);
  const rank = Math.min(config.rank, Math.max(N - 1, 1));
  const width = Math.min(rank + OVERSAMPLING, N);
  const batch = Math.min(LARGEST_BATCH, config.observations, observations.count);
  const program = await compileMoments(observations, batch, rank, width, engine);
  const { from, checkpoint } = options;
  let gaussian = from?.gaussian ?? {
    mean: float32(new Float32Array(N)),
    diagonal: float32(new Float32Array(N).fill(1)),
    factor: float32(new Float32Array(N * rank), [N, rank]),
  };
  let Q = from
    ? Matrix.from1DArray(N, width, from.basis!.data)
    : orthonormal(Matrix.zeros(N, 0), width, rng.split("sketch", 0));
  try {
    for (let k = (from?.iteration ?? 0) + 1; k <= config.iterations; k++) {
      const moments = await sumMoments(
        program,
        observations,
        config,
        { gaussian, Q, rng, k, batch },
        options,
      );
      const update = maximize(gaussian, moments, Q, rank);
      gaussian = update.gaussian;
      Q = orthonormal(update.basis, width, rng.split("sketch", k));
      const basis = hostArray("float64", [N, width], Float64Array.from(Q.to1DArray()));
      await checkpoint?.({ iteration: k, gaussian, basis });
    }
  } finally {
    await program.release();
  }
  return gaussian;
}

/** A fit after an iteration: all that the next ones depend on. */
export interface FitState {
  readonly iteration: number;
  readonly gaussian: Gaussian;
  /** Q, [N, width], if there is one. */
  readonly basis?: HostArray<"float64">;
}

export interface FitOptions extends Watch {
  /** Where an earlier fit was stopped. */
  readonly from?: FitState | undefined;
  /** Called after each iteration. */
  readonly checkpoint?: ((state: FitState) => Promise<void>) | undefined;
}

/** The moments of iteration k over all observations of the fit. */
async function sumMoments(
  program: Program,
  observations: Observations,
  config: StartConfig,
  { gaussian, Q, rng, k, batch }: { gaussian: Gaussian; Q: Matrix; rng: Rng; k: number; batch: number },
  { signal, onEvent }: Watch,
): Promise<Moments> {
  const count = Math.min(config.observations, observations.count);
  const moments = new Moments(gaussian.mean.data.length, Q.columns);
  for (let start = 0; start < count; start += batch) {
    if (signal?.aborted) throw new AbortedError("the Gaussian start was stopped. Continue with --resume.");
    const end = Math.min(start + batch, count);
    const feeds = await momentFeeds(observations, [start, end, batch], gaussian, Q, rng);
    moments.add(await program.run(feeds), end - start);
    onEvent?.({
      stage: "Gaussian start",
      iteration: 0,
      iterations: 0,
      done: (k - 1) * count + end,
      total: config.iterations * count,
      unit: "images",
    });
  }
  return moments;
}

/** A program from observations to sums of moments about the current mean; `weight` 0 leaves padding out. */
async function compileMoments(
  observations: Observations,
  batch: number,
  rank: number,
  width: number,
  engine: EngineOptions,
): Promise<Program> {
  const { header } = observations;
  const N = sizeOf(header.latentShape);
  const conditions = conditionInputs(observations, batch);
  const gaussian = { mean: input([1, N]), diagonal: input([1, N]), factor: input([N, rank]) };
  const { patterns } = patternShape(observations);
  const noise = {
    factor: input([batch, rank]),
    diagonal: input([batch, N]),
    observation: input([batch, ...header.observationShape]),
    ...(patterns && { patterns: input([batch, ...patterns]) }),
  };
  const basis = input([N, width]);
  const weight = input([batch, 1]);
  const measurement = bindMeasurement(observations, conditions);
  const { mean, deviation } = gaussianPosterior(
    gaussian,
    measurement,
    noise,
    header.latentShape,
    gaussianCgSteps(observations, rank),
  );
  const shift = mul(sub(reshape(mean, [batch, N]), gaussian.mean), weight);
  const X = concat([shift, mul(reshape(deviation, [batch, N]), weight)], 0);
  const XQ = matmul(X, basis);
  return await compile(
    {
      inputs: {
        ...conditions,
        mean: gaussian.mean,
        diagonal: gaussian.diagonal,
        factor: gaussian.factor,
        noiseFactor: noise.factor,
        noiseDiagonal: noise.diagonal,
        noiseObservation: noise.observation,
        ...(noise.patterns && { noisePatterns: noise.patterns }),
        basis,
        weight,
      },
      outputs: {
        shift: sum(shift, [0]),
        sketch: matmul(X, XQ, { transA: true }),
        trace: sum(square(X)),
      },
    },
    engine,
  );
}

async function momentFeeds(
  observations: Observations,
  [start, end, batch]: readonly [start: number, end: number, batch: number],
  gaussian: Gaussian,
  Q: Matrix,
  rng: Rng,
): Promise<Arrays> {
  const { header } = observations;
  const N = gaussian.mean.data.length;
  const rank = gaussian.factor.shape[1]!;
  const count = end - start;
  const { patterns } = patternShape(observations);
  const shapes = {
    noiseFactor: [rank],
    noiseDiagonal: [N],
    noiseObservation: header.observationShape,
    ...(patterns && { noisePatterns: patterns }),
  };
  const conditions = Object.entries(conditionArrays(await observations.read(start, end))).map(
    ([name, array]) => [name, padRows(array, batch)] as const,
  );
  return {
    ...Object.fromEntries(conditions),
    mean: float32(gaussian.mean.data, [1, N]),
    diagonal: float32(gaussian.diagonal.data, [1, N]),
    factor: gaussian.factor,
    // The same noise in every iteration, so the fit converges to a point instead of wandering around it.
    ...gaussianNoise(shapes, start, count, (index) => rng.split("start", index), batch),
    basis: float32(Float32Array.from(Q.to1DArray()), [N, Q.columns]),
    weight: float32(
      Float32Array.from({ length: batch }, (_, i) => Number(i < count)),
      [batch, 1],
    ),
  };
}
