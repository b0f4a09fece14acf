import { check, whole } from "../core/kinds.ts";
import type { Shape } from "../core/shape.ts";
import type { Tree } from "../core/tree.ts";
import { add, gather, input, integers, loop, reshape, type Tensor } from "../graph/index.ts";
import { type InputsOf, inputsOf } from "../runtime/inputs.ts";
import type { Denoiser } from "./denoiser.ts";
import type { SamplerMethod, StepLevels } from "./samplers/method.ts";
import { SAMPLERS, type SamplerName } from "./samplers.ts";
import { combineStatus, type Observe, type SolverStatus } from "./solver-status.ts";

/** What every sampler program is compiled from. */
export interface StepsSpec<Conditions extends object = Readonly<Record<string, Shape>>> {
  /** A sampler with its defaults by name, or made with options: `ddim({ eta: 0.5 })`. */
  readonly sampler: SamplerName | SamplerMethod;
  /** Shape of one sample. */
  readonly shape: Shape;
  /** Samples computed together. */
  readonly batch: number;
  /** Shapes of what the denoiser needs besides x_t, without the batch: observations and operators' data. Names may nest. */
  readonly conditions?: Conditions;
  /**
   * Steps per run of the engine; more than one run as a loop inside it. A small network's step is shorter than the
   * way into the engine and back; of a large one the loop only delays progress and interruption. Default 1.
   */
  readonly turns?: number;
}

/** What a sampler is compiled from. */
export interface SamplerSpec<Conditions extends object = Readonly<Record<string, Shape>>>
  extends StepsSpec<Conditions> {
  /**
   * The denoiser, given the conditions as tensors [B, ...]. A posterior denoiser may pass its solver's status to
   * `observe` in each evaluation.
   */
  readonly denoiser: (conditions: InputsOf<Conditions>, observe: Observe) => Denoiser;
  /**
   * Another denoiser from noise levels below `sigma` on, for instance a cheaper one that suffices there. It is compiled as
   * a program of its own, so that neither costs anything in the other's steps.
   */
  readonly below?: {
    /** Noise level, above 0. */
    readonly sigma: number;
    /** As the one above. */
    readonly denoiser: SamplerSpec<Conditions>["denoiser"];
  };
  /** A number that each step has for each sample, given the conditions: the sum over the steps comes with the samples. */
  readonly tally?: (conditions: InputsOf<Conditions>) => (step: StepTaken) => Tensor;
}

/** What is known of a step from x_t [B, ...], for whatever is added up over the steps. */
export interface StepTaken {
  readonly x_t: Tensor;
  /** What the denoiser makes of x_t. */
  readonly mean: Tensor;
  readonly levels: StepLevels;
  /** z and d of a step that is a draw x_s = m + d z; left out of others. */
  readonly noise?: { readonly z: Tensor; readonly deviation: Tensor };
}

/** What guides and weighs particles at x_t [B, ...]. */
export interface Guidance {
  /** E[x | x_t], of the prior. */
  readonly prior: Tensor;
  /** An approximation of E[x | x_t, y]. */
  readonly mean: Tensor;
  /** ln of the twisting function: an approximation of ln p(y | x_t), [B]. */
  readonly logTwist: Tensor;
}

/** What a sampler that weighs particles is compiled from; see `particleProgram`. */
export interface ParticleSpec<Conditions extends object = Readonly<Record<string, Shape>>>
  extends StepsSpec<Conditions> {
  /** Particles of each sample. */
  readonly particles: number;
  /** Their guidance, given the conditions as tensors, a row for each particle. */
  readonly guidance: (conditions: InputsOf<Conditions>) => (x_t: Tensor, sigma_t: Tensor) => Guidance;
}

/**
 * A program's graph: what is carried comes in under `now` and leaves under `next`; what the denoiser needs besides x_t comes
 * in under `conditions`.
 */
export interface SamplerProgram {
  readonly method: SamplerMethod;
  readonly turns: number;
  readonly inputs: Tree<Tensor>;
  readonly outputs: { readonly next: Readonly<Record<string, Tensor>> };
  /** What a run hands to the next: x, the method's memory and the status. */
  readonly carried: Readonly<Record<string, Tensor>>;
  /** Whether the denoiser reports a status. */
  readonly observed: boolean;
}

const STATUS = ["residual", "steps", "breakdown"] as const satisfies (keyof SolverStatus)[];

/**
 * The graph of `turns` steps: from what is carried, `levels` [turns, 3] (sigma_r, sigma_t, sigma_s of each step),
 * `noise` [turns, noises, B, ...] and the number `count` of steps to take, to what is carried on.
 * @throws ConfigError unless turns is a whole number >= 1
 */
export function samplerProgram<Conditions extends object>(spec: SamplerSpec<Conditions>): SamplerProgram {
  const { sampler, shape, batch, turns = 1 } = spec;
  check(whole(1), turns, "sampler: turns");
  const method = typeof sampler === "string" ? SAMPLERS[sampler]() : sampler;
  const x = input([batch, ...shape]);
  const memory = Array.from({ length: method.memory }, () => input(x.shape));
  const carried = {
    x,
    ...Object.fromEntries(memory.map((tensor, k) => [`memory.${k}`, tensor])),
    ...Object.fromEntries(STATUS.map((name) => [name, input([batch])])),
    ...(spec.tally && { tally: input([batch]) }),
  };
  const levels = input([turns, 3]);
  const noise = method.noises > 0 ? input([turns, method.noises, ...x.shape]) : undefined;
  const count = turns > 1 ? input([], "int64") : undefined;
  const conditions = conditionInputs(spec);

  let observed = false;
  let status: SolverStatus;
  const guided = spec.denoiser(conditions, (found) => {
    observed = true;
    status = combineStatus(status, found);
  });
  const tally = spec.tally?.(conditions);
  const step = (turn: Tensor, [x_t, ...rest]: readonly Tensor[]): Tensor[] => {
    const [residual, steps, breakdown, sum] = rest.slice(method.memory) as [Tensor, Tensor, Tensor, Tensor?];
    status = { residual, steps, breakdown };
    const [sigma_r, sigma_t, sigma_s] = columns(gather(levels, turn)) as [Tensor, Tensor, Tensor];
    const around = { sigma_r, sigma_t, sigma_s };
    const noises = noise ? columns(gather(noise, turn)).map((z) => reshape(z, x.shape)) : [];
    let mean: Tensor | undefined;
    const denoiser: Denoiser = (x_here, sigma) => {
      const found = guided(x_here, sigma);
      mean ??= found; // the first evaluation of a step is at x_t
      return found;
    };
    const next = method.step(denoiser, x_t!, around, noises, rest.slice(0, method.memory));
    const taken = { x_t: x_t!, mean: mean!, levels: around, ...noiseOf(method, around, noises) };
    return [
      next.x_s,
      ...next.memory,
      ...STATUS.map((name) => status[name]),
      ...(tally ? [add(sum!, tally(taken))] : []),
    ];
  };
  const states = Object.values(carried);
  const ended = count ? loop(count, states, step) : step(reshape(integers([0]), []), states);
  return {
    method,
    turns,
    carried,
    observed,
    inputs: {
      now: carried,
      levels,
      ...(noise && { noise }),
      ...(count && { count }),
      conditions: conditions as Tree<Tensor>,
    },
    outputs: { next: Object.fromEntries(Object.keys(carried).map((name, k) => [name, ended[k]!])) },
  };
}

/** The noise of a step that is a draw. */
function noiseOf({ deviation }: SamplerMethod, levels: StepLevels, [z]: readonly Tensor[]) {
  return z && deviation ? { noise: { z, deviation: deviation(levels) } } : {};
}

/** The inputs that the denoiser needs besides x_t, for a batch. */
export function conditionInputs<Conditions extends object>(
  spec: StepsSpec<Conditions>,
): InputsOf<Conditions> {
  return inputsOf(spec.conditions ?? ({} as Conditions), spec.batch);
}

/** The parts along the first axis, [1, ...] each. */
export function columns(stacked: Tensor): Tensor[] {
  return Array.from({ length: stacked.shape[0]! }, (_, k) => gather(stacked, integers([k])));
}
