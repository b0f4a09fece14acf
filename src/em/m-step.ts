import { float32 } from "../core/array.ts";
import { AbortedError, NumericalError } from "../core/errors.ts";
import type { Watch } from "../core/events.ts";
import type { Rng } from "../core/random.ts";
import type { Network } from "../nn/network.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { checkMStep } from "./config/config.ts";
import { drawBatch, type TrainingSet } from "./m-step/batch.ts";
import { denoisingGains, gainOf, isLoss } from "./m-step/held-out.ts";
import type { TrainerSpec } from "./m-step/loss-graph.ts";
import { optimizerSettings } from "./m-step/optimizer-graph.ts";
import { compileOptimizerStep, type OptimizerStep } from "./m-step/optimizer-step.ts";
import {
  restartOptimizer,
  type StateVectors,
  type TrainingProgress,
  type TrainingState,
} from "./m-step/state.ts";

/** An M-step to run. */
export interface TrainingRequest extends Watch {
  readonly draws: TrainingSet;
  readonly steps: number;
  /** Learning rate of step k = 0, 1, ... of this M-step. */
  readonly learningRate: (k: number) => number;
  /** Stream of this M-step; step k uses its own below it. */
  readonly rng: Rng;
  readonly stage: { readonly name: string; readonly iteration: number; readonly iterations: number };
  /** What the M-step is judged by; left out: it is not judged. */
  readonly judge?: JudgeRequest | undefined;
  /** Called after each step, to keep the progress. */
  readonly checkpoint?: ((progress: () => TrainingProgress) => Promise<void>) | undefined;
}

/** What an M-step is judged by. */
export interface JudgeRequest {
  /** The state before it. */
  readonly before: TrainingState;
  /** Draws that it was not trained on. */
  readonly heldOut: TrainingSet;
}

/** A run has dozens of M-steps: one that is worse than what was before by two errors is chance, by three it is not. */
const OF_DOZENS = 1.5;

/** Number of points of a loss curve. */
const LOSS_POINTS = 40;

/** Trains the denoiser by denoising score matching with Adam [Rozet24, algorithm 1, lines 7-14]. */
export class Trainer {
  readonly #step: OptimizerStep;
  readonly #spec: TrainerSpec;
  readonly #engine: EngineOptions;

  /** Use `compileTrainer`. */
  constructor(step: OptimizerStep, spec: TrainerSpec, engine: EngineOptions) {
    this.#step = step;
    this.#spec = spec;
    this.#engine = engine;
  }

  get network(): Network {
    return this.#spec.network;
  }

  /**
   * Runs the steps of an M-step that are still to do.
   * @throws NumericalError if the loss is not finite, AbortedError if stopped
   */
  async train(begun: TrainingProgress, request: TrainingRequest): Promise<TrainingProgress> {
    const { steps, stage, onEvent, signal, checkpoint } = request;
    const { step: taken, slowed, ...vectors } = begun.state;
    this.#step.setState(vectors);
    const loss = [...begun.loss];
    let lossSum = begun.lossSum;
    const window = Math.max(1, Math.floor(steps / LOSS_POINTS));
    const { name, ...at } = stage;
    const told = { stage: name, ...at, total: steps, unit: "steps" };
    const progress = (done: number): TrainingProgress => ({
      state: { ...copyOf(this.#step.state()), step: taken - begun.done + done, slowed },
      done,
      loss: [...loss],
      lossSum,
    });
    for (let k = begun.done; k < steps; k++) {
      if (signal?.aborted) throw new AbortedError("the M-step was stopped. Continue with --resume.");
      const value = await this.#take(request, k, taken - begun.done + k + 1);
      if (!Number.isFinite(value))
        throw new NumericalError(
          `M-step: the loss is ${value} at step ${k + 1} of iteration ${stage.iteration}. Lower mStep.learningRate, or check the observations' scale.`,
        );
      lossSum += value;
      if ((k + 1) % window === 0) {
        loss.push([k + 1, lossSum / window]);
        lossSum = 0;
      }
      onEvent?.({ ...told, done: k + 1, loss: loss.at(-1)?.[1] });
      await checkpoint?.(() => progress(k + 1));
    }
    const trained = progress(steps);
    if (begun.judgement) return { ...trained, judgement: begun.judgement };
    return request.judge ? await this.#judge(request.judge, trained, request) : trained;
  }

  /**
   * Compares the averaged weights after an M-step with those before and with the base, on draws that were held out. Where it
   * ended worse than either, the better of the two states goes on, at a third of the rate.
   */
  async #judge(
    { before, heldOut }: JudgeRequest,
    trained: TrainingProgress,
    { rng, stage }: TrainingRequest,
  ): Promise<TrainingProgress> {
    if (heldOut.count === 0) return { ...trained, judgement: { warnings: [] } };
    const weights = [before.average, trained.state.average];
    const stream = rng.split("held-out");
    const [old, now] = (await denoisingGains(this.#spec, heldOut, weights, stream, this.#engine)) as [
      Float64Array,
      Float64Array,
    ];
    const gain = gainOf(now);
    const change = gainOf(now.map((value, row) => value - old[row]!));
    const worse = isLoss(gain) ? gain : isLoss(change, OF_DOZENS) ? change : undefined;
    if (!worse) return { ...trained, judgement: { gain, warnings: [] } };
    const warning = `iteration ${stage.iteration}: the M-step learned nothing: on held-out draws the network's loss is above ${worse === gain ? "its base's" : "what it was before"} by ${(-worse.gain).toPrecision(2)} (standard error ${worse.gainError.toPrecision(2)}). The learning rate is a third from now on. Lower mStep.learningRate if it goes on, or use more observations.`;
    const better = change.gain < 0 ? restartOptimizer(before) : trained.state;
    return {
      ...trained,
      state: { ...better, slowed: better.slowed + 1 },
      judgement: { gain, warnings: [warning] },
    };
  }

  /** Step k: a function of the M-step's stream, k and the state alone. @returns the loss */
  async #take({ draws, rng, learningRate }: TrainingRequest, k: number, adamTime: number): Promise<number> {
    const { network, mStep, schedule } = this.#spec;
    const { shape, dropoutRate } = network;
    const { dropouts } = this.#step;
    const batch = drawBatch({ mStep, schedule, shape, dropoutRate, dropouts }, draws, rng.split(k));
    return await this.#step.run(batch, optimizerSettings(learningRate(k), adamTime, mStep.emaDecay));
  }

  async release(): Promise<void> {
    await this.#step.release();
  }
}

function copyOf(vectors: StateVectors): StateVectors {
  const copy = (name: keyof StateVectors) => float32(vectors[name].data.slice());
  return {
    parameters: copy("parameters"),
    first: copy("first"),
    second: copy("second"),
    average: copy("average"),
  };
}

/** Compiles the optimizer step of a network. @throws ConfigError if the configuration does not fit the network's data */
export async function compileTrainer(spec: TrainerSpec, engine: EngineOptions = {}): Promise<Trainer> {
  checkMStep(spec.mStep, spec.network.shape);
  return new Trainer(await compileOptimizerStep(spec, engine), spec, engine);
}
