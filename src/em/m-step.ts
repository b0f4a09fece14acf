import { float32, type HostArray } from "../core/array.ts";
import { AbortedError, NumericalError } from "../core/errors.ts";
import type { Rng } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { type Denoiser, precondition } from "../diffusion/denoiser.ts";
import { denoisingLoss } from "../diffusion/loss.ts";
import { type Schedule, sigmaAt } from "../diffusion/schedule.ts";
import { input, reshape, scalar, slice, type Tensor, vjp } from "../graph/index.ts";
import { makeDropout, type Network } from "../nn/network.ts";
import { adamCorrection, adamStep, clipByNorm, movingAverage } from "../nn/optimizer.ts";
import {
  countParameters,
  flatten,
  joinWeights,
  type Parameters,
  sliceWeights,
  unflatten,
} from "../nn/parameters.ts";
import { type Arrays, compile, type Program } from "../runtime/compile.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { augment } from "./augment.ts";
import type { MStepConfig } from "./config.ts";
import type { Watch } from "./events.ts";

/** What the M-step carries on: vectors of all parameters, and the number of optimizer steps taken. */
export interface TrainingState {
  readonly parameters: HostArray<"float32">;
  /** Adam's running means of gradients and squared gradients. */
  readonly first: HostArray<"float32">;
  readonly second: HostArray<"float32">;
  /** Moving average of the parameters: the weights that sample. */
  readonly average: HostArray<"float32">;
  readonly step: number;
}

/** State before any training. */
export function initialState(network: Network, parameters: Parameters): TrainingState {
  const flat = flatten(network.parameters, parameters);
  return restartOptimizer({ parameters: flat, first: flat, second: flat, average: flat, step: 0 });
}

/** The same weights with Adam's memory cleared. */
export function restartOptimizer(state: TrainingState): TrainingState {
  const zeros = () => float32(new Float32Array(state.parameters.data.length));
  return { ...state, first: zeros(), second: zeros(), step: 0 };
}

/** The averaged weights. */
export function averagedParameters(network: Network, state: TrainingState): Parameters {
  return unflatten(network.parameters, state.average);
}

/** Random rows of the draws to train on. */
export interface TrainingSet {
  readonly count: number;
  /** Copies row `index` to `out` at `row`. */
  readonly copyRow: (index: number, out: Float32Array, row: number) => void;
}

export interface TrainingRequest extends Watch {
  readonly draws: TrainingSet;
  readonly steps: number;
  /** Learning rate of step k = 0, 1, ... of this M-step. */
  readonly learningRate: (k: number) => number;
  /** Stream of this M-step; step k uses its own below it. */
  readonly rng: Rng;
  readonly stage: { readonly name: string; readonly iteration: number; readonly iterations: number };
  /** Called after each step, to keep the progress. */
  readonly checkpoint?: ((progress: () => TrainingProgress) => Promise<void>) | undefined;
}

/** An M-step after some of its steps: all that the remaining ones depend on. */
export interface TrainingProgress {
  readonly state: TrainingState;
  /** Steps of this M-step that are done. */
  readonly done: number;
  /** Mean losses over windows of steps: [last step of the window, loss]. */
  readonly loss: readonly (readonly [number, number])[];
  /** Sum of the losses since the last window. */
  readonly lossSum: number;
}

/** An M-step before its first step. */
export function beginTraining(state: TrainingState): TrainingProgress {
  return { state, done: 0, loss: [], lossSum: 0 };
}

/** Number of points of a loss curve. */
const LOSS_POINTS = 40;

/**
 * Trains the denoiser by denoising score matching with Adam [Rozet24, algorithm 1, lines 7-14]: a compiled optimizer
 * step whose state (parameters, Adam's moments, their average) stays in the program between steps.
 */
export class Trainer {
  readonly #program: Program;
  readonly #config: MStepConfig;
  readonly #schedule: Schedule;
  readonly network: Network;
  readonly #dropouts: readonly Shape[];

  /** Use `compileTrainer`. */
  constructor(
    program: Program,
    network: Network,
    config: MStepConfig,
    schedule: Schedule,
    dropouts: readonly Shape[],
  ) {
    this.#program = program;
    this.network = network;
    this.#config = config;
    this.#schedule = schedule;
    this.#dropouts = dropouts;
  }

  /**
   * Runs the steps of an M-step that are still to do.
   * @throws NumericalError if the loss is not finite, AbortedError if stopped
   */
  async train(begun: TrainingProgress, request: TrainingRequest): Promise<TrainingProgress> {
    const { steps, stage, onEvent, signal, checkpoint } = request;
    const { step: taken, ...vectors } = begun.state;
    this.#program.setState(vectors);
    const loss = [...begun.loss];
    let lossSum = begun.lossSum;
    const window = Math.max(1, Math.floor(steps / LOSS_POINTS));
    const progress = (done: number): TrainingProgress => ({
      state: this.#state(taken - begun.done + done),
      done,
      loss: [...loss],
      lossSum,
    });
    for (let k = begun.done; k < steps; k++) {
      if (signal?.aborted) throw new AbortedError("the M-step was stopped. Continue with --resume.");
      const outputs = await this.#program.run(this.#feeds(request, k, taken - begun.done + k + 1));
      const value = Number(outputs.loss!.data[0]);
      if (!Number.isFinite(value))
        throw new NumericalError(
          `M-step: the loss is ${value} at step ${k + 1} of iteration ${stage.iteration}. Lower mStep.learningRate, or check the observations' scale.`,
        );
      lossSum += value;
      if ((k + 1) % window === 0) {
        loss.push([k + 1, lossSum / window]);
        lossSum = 0;
      }
      const { name, iteration, iterations } = stage;
      onEvent?.({ stage: name, iteration, iterations, done: k + 1, total: steps, unit: "steps" });
      await checkpoint?.(() => progress(k + 1));
    }
    return progress(steps);
  }

  /** A copy of the program's state. */
  #state(step: number): TrainingState {
    const state = this.#program.state() as Record<string, HostArray<"float32">>;
    const copy = (name: string) => float32(state[name]!.data.slice());
    return {
      parameters: copy("parameters"),
      first: copy("first"),
      second: copy("second"),
      average: copy("average"),
      step,
    };
  }

  async release(): Promise<void> {
    await this.#program.release();
  }

  /** Data, their changes, noise levels, noise and dropout masks of step k: functions of the M-step's stream and k alone. */
  #feeds({ draws, rng, learningRate }: TrainingRequest, k: number, adamTime: number): Arrays {
    const { batch, timeBeta, emaDecay, augment: augmentations } = this.#config;
    const { shape, dropoutRate } = this.network;
    const size = sizeOf(shape);
    const stream = rng.split(k);
    const x = new Float32Array(batch * size);
    const noise = new Float32Array(batch * size);
    const sigma = new Float32Array(batch);
    // The spacing is the samplers': the network must learn the small levels even where samplers take few steps.
    const levels = { ...this.#schedule, spacing: "geometric" } as const;
    for (let row = 0; row < batch; row++) {
      draws.copyRow(stream.integer(draws.count), x, row);
      augment(x.subarray(row * size, (row + 1) * size), shape, augmentations, stream);
      sigma[row] = sigmaAt(levels, stream.beta(timeBeta[0], timeBeta[1]));
    }
    stream.fillNormal(noise);
    const masks = this.#dropouts.map((maskShape, i) => {
      const mask = Float32Array.from({ length: sizeOf(maskShape) }, () =>
        Number(stream.uniform() >= dropoutRate),
      );
      return [`dropout${i}`, float32(mask, maskShape)] as const;
    });
    const [correction1, correction2] = adamCorrection(adamTime);
    return {
      x: float32(x, [batch, ...shape]),
      noise: float32(noise, [batch, ...shape]),
      sigma: float32(sigma),
      ...Object.fromEntries(masks),
      settings: float32([learningRate(k), correction1, correction2, emaDecay]),
    };
  }
}

/** Compiles the optimizer step of a network. @param base see `precondition` */
export async function compileTrainer(
  network: Network,
  config: MStepConfig,
  schedule: Schedule,
  base: Denoiser,
  engine: EngineOptions = {},
): Promise<Trainer> {
  const size = [countParameters(network.parameters)];
  const current = { parameters: input(size), first: input(size), second: input(size) };
  const average = input(size);
  const x = input([config.batch, ...network.shape]);
  const noise = input(x.shape);
  const sigma = input([config.batch]);
  const settings = input([4]);
  const setting = (i: number) => reshape(slice(settings, 0, i, i + 1), []);
  const masks: Tensor[] = [];
  const dropout = makeDropout(network.dropoutRate, (shape) => {
    masks.push(input(shape));
    return masks.at(-1)!;
  });

  const weights = sliceWeights(network.parameters, current.parameters);
  const loss = denoisingLoss(precondition(network, weights, { base, dropout }), x, sigma, noise);
  const names = Object.keys(weights);
  const gradients = vjp([loss], Object.values(weights), [scalar(1)]);
  const gradient = joinWeights(
    network.parameters,
    Object.fromEntries(names.map((name, i) => [name, gradients[i]!])),
  );
  const clipped = clipByNorm(gradient, config.clipNorm).gradient;
  const next = adamStep(current, clipped, setting(0), [setting(1), setting(2)]);
  const program = await compile(
    {
      inputs: {
        x,
        noise,
        sigma,
        settings,
        ...Object.fromEntries(masks.map((mask, i) => [`dropout${i}`, mask])),
      },
      outputs: { loss },
      state: {
        parameters: { current: current.parameters, next: next.parameters },
        first: { current: current.first, next: next.first },
        second: { current: current.second, next: next.second },
        average: { current: average, next: movingAverage(average, next.parameters, setting(3)) },
      },
    },
    engine,
  );
  return new Trainer(
    program,
    network,
    config,
    schedule,
    masks.map((mask) => mask.shape),
  );
}
