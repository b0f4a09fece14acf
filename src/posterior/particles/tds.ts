import { float32, type HostArray } from "../../core/array.ts";
import { AbortedError, ConfigError, ShapeError } from "../../core/errors.ts";
import { check, whole } from "../../core/kinds.ts";
import type { Rng } from "../../core/random.ts";
import { type Shape, sizeOf } from "../../core/shape.ts";
import { flatten, mapTree, type Tree } from "../../core/tree.ts";
import type { Denoiser, Limits } from "../../diffusion/denoiser.ts";
import { checkLevels } from "../../diffusion/schedule.ts";
import { input, type Tensor } from "../../graph/index.ts";
import { type Arrays, compile, type Program } from "../../runtime/compile.ts";
import type { EngineOptions } from "../../runtime/engine.ts";
import { type InputsOf, inputsOf } from "../../runtime/inputs.ts";
import type { Measurement } from "../posterior.ts";
import { type Cloud, conclude, propose, resample, start } from "./cloud.ts";
import { systematicResample, weigh } from "./particles.ts";
import { guide, type TwistArrays, twist, twistTensors } from "./twist.ts";
import { visibleEntries } from "./visible.ts";

/** The options of `compileTwisted`. */
export interface TwistedSpec<Conditions extends object = Readonly<Record<string, Shape>>> {
  /** Shape of one sample. */
  readonly shape: Shape;
  /** Particles that are computed together. More particles take several runs of the engine. */
  readonly batch: number;
  /** Shapes, without the batch, of what `measurement` takes: observations and data of operators. */
  readonly conditions: Conditions;
  /** The prior's denoiser. */
  readonly denoiser: Denoiser;
  /** The measurement, given the conditions as tensors [B, ...]. */
  readonly measurement: (conditions: InputsOf<Conditions>) => Measurement;
  /**
   * For measurements with hidden entries: which are seen, and how many at most. Hidden entries then cost nothing and are not in
   * the evidence. Without this, the evidence counts a hidden entry as a 0 that was measured with its noise.
   */
  readonly visible?: {
    /** 1 for an entry that is seen and 0 for a hidden one, [B, M], given the conditions. */
    readonly seen: (conditions: InputsOf<Conditions>) => Tensor;
    /** The most entries that are seen of an observation. */
    readonly entries: number;
  };
  /** The sampler whose steps propose. Only "ddpm", because weights need the density of a step. Default "ddpm". */
  readonly sampler?: string;
  /**
   * Resample when the effective sample size falls below this share of the particles, in [0, 1]. Resampling loses distinct
   * particles; without it, particles of little weight are wasted. Default 0.5, the customary compromise.
   */
  readonly threshold?: number;
  /**
   * Smallest and largest value of the data. Guided means are kept inside, for any proposal is valid. The Jacobian of a network
   * errs most at large noise, and without limits guides particles far beyond. Default: no limits.
   */
  readonly limits?: Limits | undefined;
}

/** What a twisted sampler knows of its graph. */
type TwistedLayout = Pick<TwistedSpec, "shape" | "batch" | "threshold" | "limits"> & {
  readonly visible?: { readonly entries: number };
};

/** A request for draws from the posterior of some observations, one for each stream. */
export interface TwistedRequest {
  /** One random stream per observation: its draws do not depend on its neighbours. */
  readonly streams: readonly Rng[];
  /** Noise levels from the largest to zero, see `noiseLevels`. */
  readonly levels: readonly number[];
  /** Particles per observation. */
  readonly particles: number;
  /** Mean of the start, x_1 = mean + sigma_1 z, of one sample's size. Default 0. */
  readonly mean?: HostArray<"float32">;
  /** One row per observation. */
  readonly conditions: Tree<HostArray<"float32">>;
  readonly signal?: AbortSignal;
  /** Called after each step. */
  readonly onStep?: () => void;
}

/** The draws of a twisted sampler. */
export interface TwistedDraws {
  /** One draw from each observation's weighted particles, [n, ...shape]. */
  readonly samples: HostArray<"float32">;
  /** All K particles of each observation, [n, K, ...shape]. */
  readonly particles: HostArray<"float32">;
  /** Their weights, [n * K]; those of an observation sum to 1. */
  readonly weights: Float64Array;
  /** Estimate of ln p(y | A) of each observation, [n]; its exponential is unbiased for the discretized prior. */
  readonly logEvidence: Float64Array;
  /** Effective sample size of each observation before each step, [steps][n]. */
  readonly effectiveSizes: readonly Float64Array[];
  /** Share of an observation's twisting functions whose covariance was not positive definite and was widened, [n]. */
  readonly breakdown: Float64Array;
}

/**
 * Twisted diffusion sampling [Wu23, algorithm 1], a sequential Monte Carlo method. With more particles its draws approach the
 * exact posterior of the (discretized) prior, whatever approximation guides them. With the ancestral steps
 * p(x_s | x_t) = N(m(x_hat), s^2), s^2 = sigma_s^2 tau, of the prior, tau = 1 - sigma_s^2 / sigma_t^2,
 *   twisting function  psi_t(x_t) = N(y | A x_hat, Sigma_y + A V A'),  V = sigma_t^2 J             [Rozet24, eq. 19-21]
 *   proposal           x_s ~ q(x_s | x_t, y) = N(m(E[x | x_t, y]), s^2)       MMPS, its system solved exactly
 *   weight             w *= p(x_s | x_t) psi_s(x_s) / (q(x_s | x_t, y) psi_t(x_t))                 [Wu23]
 * The paper guides by the gradient of ln psi_t through the denoiser. This method leaves out the derivative of V, as MMPS does,
 * for any proposal is valid. A particle ends as E[x | x_t, y] at the smallest level.
 */
export class TwistedSampler {
  readonly #program: Program;
  readonly #spec: TwistedLayout;

  /** Use `compileTwisted`. */
  constructor(program: Program, spec: TwistedLayout) {
    this.#program = program;
    this.#spec = spec;
  }

  /**
   * Draws from the posterior of each observation.
   * @throws NumericalError if particles or weights are not finite, AbortedError if stopped
   * @throws ShapeError if there is not one row of each condition per stream, or the mean is no sample; ConfigError if there
   *   are no particles
   */
  async draw(request: TwistedRequest): Promise<TwistedDraws> {
    const { streams, levels, particles: K, signal, onStep } = request;
    const { shape, threshold = 0.5 } = this.#spec;
    checkRequest(request, sizeOf(shape));
    const n = streams.length;
    const noises = streams.map((stream) => stream.split("particles"));
    const choices = streams.map((stream) => stream.split("resampling"));
    const cloud = start(noises, K, levels[0]!, sizeOf(shape), request.mean);
    const widened = new Float64Array(n);
    const logEvidence = new Float64Array(n);
    const effectiveSizes: Float64Array[] = [];
    for (let k = 0; k + 1 < levels.length; k++) {
      if (signal?.aborted) throw new AbortedError("sampling was stopped.");
      await this.#evaluate(cloud, levels[k]!, request, widened);
      const last = k + 2 === levels.length;
      const sizes = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        const own = cloud.logWeights.subarray(i * K, (i + 1) * K);
        const { normalized, logMean, effectiveSize } = weigh(own);
        sizes[i] = effectiveSize;
        if (last || effectiveSize < threshold * K) {
          logEvidence[i] = logEvidence[i]! + logMean;
          if (!last) resample(cloud, i, systematicResample(normalized, K, choices[i]!));
        }
      }
      effectiveSizes.push(sizes);
      if (!last) propose(cloud, levels[k]!, levels[k + 1]!, noises);
      onStep?.();
    }
    const evaluations = K * (levels.length - 1);
    return {
      ...conclude(cloud, n, shape, choices),
      logEvidence,
      effectiveSizes,
      breakdown: widened.map((count) => count / evaluations),
    };
  }

  /** Frees the memory of the engine. */
  async release(): Promise<void> {
    await this.#program.release();
  }

  /** Denoised means, guidance and twisting functions of all particles at one level; weights take the new twist. */
  async #evaluate(cloud: Cloud, level: number, request: TwistedRequest, widened: Float64Array) {
    const { batch, shape, limits } = this.#spec;
    const size = sizeOf(shape);
    const K = request.particles;
    const rows = cloud.logWeights.length;
    cloud.guidance.fill(0);
    for (let first = 0; first < rows; first += batch) {
      const owners = Array.from({ length: batch }, (_, b) => Math.floor(Math.min(first + b, rows - 1) / K));
      const x = float32(new Float32Array(batch * size), [batch, ...shape]);
      for (let b = 0; b < batch; b++) {
        const row = Math.min(first + b, rows - 1);
        x.data.set(cloud.x.subarray(row * size, (row + 1) * size), b * size);
      }
      const feeds = { x, sigma: float32([level]), conditions: pick(request.conditions, owners) };
      const { beyond, ...results } = await this.#program.run(feeds);
      checkSeen(beyond, this.#spec.visible?.entries);
      // The program's outputs are those of `twistTensors`, all float32.
      const arrays = Object.fromEntries(
        Object.entries(results).map(([name, { data }]) => [name, data]),
      ) as unknown as TwistArrays;
      for (let b = 0; b < Math.min(batch, rows - first); b++) {
        const row = first + b;
        const { logDensity, solution, widened: isWidened } = twist(arrays, b, batch);
        if (isWidened) widened[owners[b]!] = widened[owners[b]!]! + 1;
        cloud.x_hat.set(arrays.x_hat.subarray(b * size, (b + 1) * size), row * size);
        const guidance = cloud.guidance.subarray(row * size, (row + 1) * size);
        guide(arrays.pulled, solution, b, batch, guidance);
        if (limits) limitGuidance(guidance, cloud.x_hat.subarray(row * size, (row + 1) * size), limits);
        cloud.logTwist[row] = logDensity;
        cloud.logWeights[row] = cloud.logWeights[row]! + logDensity;
      }
    }
  }
}

/**
 * Compiles a twisted sampler for one prior and kind of measurement.
 * @throws ConfigError if there are too many measurements for their dense covariance, or the sampler is not "ddpm"
 */
export async function compileTwisted<Conditions extends object>(
  spec: TwistedSpec<Conditions>,
  options: EngineOptions = {},
): Promise<TwistedSampler> {
  const { shape, batch, denoiser, sampler = "ddpm", threshold = 0.5 } = spec;
  if (sampler !== "ddpm")
    throw new ConfigError(
      `twisted sampling: the sampler must be "ddpm", got "${sampler}". The weights divide by the density of its Gaussian steps, which a deterministic or corrected step lacks. Use "ddpm", or the posterior method "mmps" with "${sampler}".`,
    );
  if (!(threshold >= 0 && threshold <= 1))
    throw new ConfigError(`twisted sampling: threshold must be in [0, 1], got ${threshold}.`);
  const x = input([batch, ...shape]);
  const sigma = input([1]);
  const conditions = inputsOf(spec.conditions, batch);
  const whole = spec.measurement(conditions);
  const { visible } = spec;
  const seen = visible && visibleEntries(whole, visible.seen(conditions), visible.entries);
  const outputs = {
    ...twistTensors(denoiser, seen?.measurement ?? whole, x, sigma),
    ...(seen && { beyond: seen.beyond }),
  };
  const inputs = { x, sigma, conditions: conditions as Tree<Tensor> };
  return new TwistedSampler(await compile({ inputs, outputs }, options), spec);
}

function checkRequest({ streams, levels, particles, mean, conditions }: TwistedRequest, size: number): void {
  if (streams.length < 1) throw new ShapeError("twisted sampling: at least one stream expected, found none.");
  check(whole(1), particles, "twisted sampling: particles");
  checkLevels(levels, "twisted sampling");
  if (levels.at(-1) !== 0)
    throw new ConfigError(
      `twisted sampling: expected 0 as the last noise level, got ${levels.at(-1)}. Use noiseLevels.`,
    );
  if (mean && mean.data.length !== size)
    throw new ShapeError(
      `twisted sampling: mean must have the size of one sample, ${size}, got ${mean.data.length}.`,
    );
  for (const [name, { shape }] of Object.entries(flatten<HostArray>(conditions)))
    if (shape[0] !== streams.length)
      throw new ShapeError(
        `twisted sampling: ${name} must have one row per stream, ${streams.length}, got ${shape[0]}.`,
      );
}

function checkSeen(beyond: HostArray | undefined, entries: number | undefined): void {
  const more = Math.max(0, ...Array.from(beyond?.data ?? [], Number));
  if (more > 0)
    throw new ConfigError(
      `twisted sampling: at most ${entries} entries of an observation expected to be seen, found ${entries! + more}. Raise visible.entries.`,
    );
}

/** Shortens the guidance so that x_hat + guidance lies within the limits, in place. */
function limitGuidance(guidance: Float64Array, x_hat: Float32Array, [lo, hi]: Limits): void {
  for (const [i, mean] of x_hat.entries())
    guidance[i] = Math.min(Math.max(mean + guidance[i]!, lo.data[i]!), hi.data[i]!) - mean;
}

/** Rows of each array, repeated as told. */
function pick(arrays: Tree<HostArray<"float32">>, rows: readonly number[]): Arrays {
  return mapTree<HostArray<"float32">, HostArray>(arrays, ({ data, shape }) => {
    const size = sizeOf(shape.slice(1));
    const out = new Float32Array(rows.length * size);
    for (const [k, row] of rows.entries()) out.set(data.subarray(row * size, (row + 1) * size), k * size);
    return float32(out, [rows.length, ...shape.slice(1)]);
  });
}
