/**
 * Every field of a run's configuration but for the network's. The types, defaults and checks of configurations, the JSON
 * Schema and the tables of docs/configuration.md follow from what is written here.
 */

import { flag, list, oneOf, optional, pair, positive, share, triple, whole } from "../../core/kinds.ts";
import { MOST_ITERATIONS, MOST_LEVELS, MOST_SOLVER_STEPS } from "../../core/limits.ts";
import { sizeOf } from "../../core/shape.ts";
import { SAMPLERS, type SamplerName } from "../../diffusion/samplers.ts";
import { SPACINGS } from "../../diffusion/schedule.ts";
import { COVARIANCES, POSTERIOR_NAMES } from "../../posterior/methods.ts";
import { SOLVERS, type SolverName } from "../../posterior/solvers/solver.ts";
import { AUGMENTATION_NAMES, AUGMENTATIONS } from "../m-step/augmentations.ts";
import {
  byKind,
  gridBatch,
  increment,
  isVector,
  isVolume,
  largestRank,
  MOST_WEIGHED,
  VOLUMES_AT_ONCE,
} from "./by-shape.ts";
import { field } from "./field.ts";

export const RUN_FIELDS = {
  seed: field({
    kind: whole(0),
    fallback: 0,
    meaning: "all randomness follows from it and the observations",
    reason: "any number serves",
  }),
} as const;

export const SCHEDULE_FIELDS = {
  sigmaMin: field({
    kind: optional(positive),
    fallback: null,
    unit: "the data's",
    meaning:
      "smallest noise level; null: a sixth of the noise's deviation, between 1e-4 and 1e-2 of the latents' own",
    reason: "below the noise, so that draws meet their measurements as closely as they should",
  }),
  sigmaMax: field({
    kind: optional(positive),
    fallback: null,
    unit: "the data's",
    meaning:
      "largest noise level; null: four times the deviation of the Gaussian start along its widest direction",
    reason: "draws begin as the Gaussian start's, which so much noise makes like those of any prior",
  }),
  spacing: field({
    kind: oneOf(SPACINGS),
    fallback: "geometric",
    meaning:
      "how samplers space the levels between; training draws levels on the geometric scale whatever this is",
    reason:
      "the paper's schedule (equation 27); cosine has more levels near one, where data of order one takes shape",
  }),
} as const;

export const START_FIELDS = {
  rank: field({
    kind: whole(1),
    fallback: (data) => Math.max(1, Math.min(largestRank(data), sizeOf(data.latentShape) - 1)),
    fallbackText: "64, at most N - 1; for signals and volumes 256, fewer from N = 16384 on",
    meaning:
      "largest rank of the Gaussian start's covariance, beside a multiple of the identity; held-out observations choose the rank",
    reason:
      "a step's work grows with its square; what it leaves out is left to the network. Of smooth signals of 1024 places and volumes of 16 x 16 x 16, 70 % of them missing, the best Gaussian of rank 64 errs by 2.8 to 6.8 times as much as that of full rank, of rank 256 by 1.0 to 1.13",
  }),
  iterations: field({
    kind: whole(1),
    fallback: 100,
    meaning: "steps of EM at each rank, at most; it ends when held-out observations are explained no better",
    reason: "hardly ever reached",
  }),
  observations: field({
    kind: whole(1),
    fallback: 16_384,
    meaning: "observations used for the fit, at most; fewer where a step would be too much work",
    reason: "a Gaussian has few numbers to learn",
  }),
} as const;

/** Of fewer observations none is held out; of more, at least so many. */
const FEW = 128;
const LEAST_HELD_OUT = 32;

export const EM_FIELDS = {
  iterations: field({
    kind: whole(1, MOST_ITERATIONS),
    ...byKind(8, 16, "16; 8 for vectors"),
    meaning: "EM iterations",
    reason: "with the default increments, two passes over the observations or more",
  }),
  observations: field({
    kind: whole(0),
    fallback: increment,
    fallbackText: "an eighth, for vectors a quarter, at least 512",
    meaning: "observations drawn for in each iteration, the next ones in order; 0 for all (the paper)",
    reason: "many short iterations reach further in the same time than few long ones",
  }),
  finalObservations: field({
    kind: whole(0),
    fallback: (data) => (isVector(data) ? 1 : 2) * increment(data),
    fallbackText: "a quarter, at least 1024; for vectors 512",
    meaning: "observations drawn for in the last iteration, whose M-step is longer; 0 for all",
    reason: "a longer M-step needs more draws",
  }),
  buffer: field({
    kind: whole(1),
    ...byKind(4, 2, "2; 4 for vectors"),
    meaning: "iterations whose draws the M-step trains on, the newest included; 1 in the paper",
    reason: "more data per M-step; older draws come from worse priors. Vectors' cover all observations",
  }),
  noise: field({
    kind: oneOf(["stated", "estimate"]),
    fallback: "stated",
    meaning:
      "`estimate`: the noise's variance is the stated one times a factor that the Gaussian start finds and iterations correct, for the run's own observations; refused where measurements do not tell noise from latents. See checking.md",
    reason: "an instrument knows its noise better than what it measured does",
  }),
  validation: field({
    kind: share("below one"),
    fallback: ({ count }) => (count < FEW ? 0 : Math.max(0.05, LEAST_HELD_OUT / count)),
    fallbackText: `0.05, at least ${LEAST_HELD_OUT} observations; 0 where there are fewer than ${FEW}`,
    meaning:
      "share of the observations that is held out: never trained on. After each iteration parts of some are predicted from the rest, which tells the best iteration",
    reason: "enough to tell iterations apart, few enough to miss",
  }),
  patience: field({
    kind: optional(whole(1)),
    fallback: null,
    meaning:
      "iterations without a better held-out score, by more than its error, after which, unless the latest is the best so far, the next is made the last: its longer M-step has the falling learning rate; null: as many as the best iteration took, at least a third of all and five",
    reason:
      "of 24 iterations on 200 series the third was best, and each after it a little worse than the one before: too little for two of them to tell, for long",
  }),
  carryOptimizer: field({
    kind: flag,
    fallback: true,
    meaning:
      "whether weights, Adam's state and the learning rate's course go on over the iterations, or start anew from the averaged weights (the paper)",
    reason: "short M-steps are too short to warm up again",
  }),
} as const;

export const E_STEP_FIELDS = {
  sampler: field({
    kind: oneOf(Object.keys(SAMPLERS) as SamplerName[]),
    fallback: "multistep",
    meaning: "the sampler that walks from noise to a draw",
    reason:
      "noise added on the way corrects earlier errors, and its second order keeps the width of the draws (1.03 of a Gaussian's variance at 32 steps, where `ddpm` leaves .76)",
  }),
  steps: field({
    kind: whole(1, MOST_LEVELS),
    fallback: 32,
    meaning: "steps of the sampler; the paper takes 256 for images",
    reason: "a Gaussian keeps its variance to 3 %; at 20 steps to 6 %, at 48 to 1 %",
  }),
  eta: field({
    kind: optional(share("with one")),
    fallback: null,
    meaning:
      "`ddim`, `euler`, `heun`, `multistep`: share of noise, from 0 (deterministic) to 1 (as much as `ddpm`); null for the sampler's own, 0 for `ddim` and 1 for the others",
    reason: "what the samplers' names promise",
  }),
  corrections: field({
    kind: whole(0),
    fallback: 1,
    meaning: "`pc`: Langevin corrections after each step",
    reason: "the paper's choice",
  }),
  tau: field({
    kind: share("with one"),
    fallback: 0.1,
    meaning: "`pc`: size of a correction, as a share of the way to the denoised mean",
    reason: "the paper's reference code",
  }),
  method: field({
    kind: oneOf(POSTERIOR_NAMES),
    fallback: "mmps",
    meaning: "the posterior method, see choosing-a-method.md",
    reason: "the paper's",
  }),
  covariance: field({
    kind: oneOf(COVARIANCES),
    fallback: "tweedie",
    meaning: "`mmps`: covariance V[x | x_t]",
    reason: "exact; cruder ones cost less and may ruin the prior",
  }),
  solver: field({
    kind: oneOf(Object.keys(SOLVERS) as SolverName[]),
    fallback: "cg",
    meaning: "`mmps`: solver of the linear system",
    reason: "cheapest; `gmres` forgives Jacobians that are not symmetric",
  }),
  cgSteps: field({
    kind: whole(1, MOST_SOLVER_STEPS),
    ...byKind(
      ({ measurements = 4 }) => Math.min(measurements + 2, 6),
      2,
      "2; for vectors their measurements and 2, at most 6",
    ),
    meaning: "`mmps`: steps of the solver, each one vector-Jacobian product",
    reason:
      "two keep the posterior variance of Gaussian images to 4 % for masks, blur, pooling and Fourier samples, where one leaves 5 to 17 % too much; as many as measurements solve the system",
  }),
  particles: field({
    kind: whole(1),
    ...byKind(
      ({ measurements = MOST_WEIGHED + 1 }) => (measurements <= MOST_WEIGHED ? 4 : 1),
      1,
      `1; 4 for vectors of at most ${MOST_WEIGHED} measurements`,
    ),
    meaning:
      "`mmps`: particles of each draw, weighed and resampled on the way (twisted sampling), each step with as many products as there are measurements; 1 for none (the paper). Only with the covariance `tweedie`, `multistep` or `ddpm` with noise, and `network.base` `gaussian`; no effect elsewhere",
    reason:
      "moment matching alone mistakes the shares of clusters that a few measurements cannot tell apart: of three clusters in 5 dimensions its posterior means err by 1.4 times the exact ones', with particles by 1.0",
  }),
  tolerance: field({
    kind: share("below one"),
    fallback: 0,
    meaning:
      "`mmps`: residual, relative to the right-hand side, at which the solver stops; 0 takes all steps",
    reason: "with few steps there is little to stop",
  }),
  gaussianStart: field({
    kind: optional(positive),
    fallback: null,
    unit: "the data's",
    meaning:
      "noise level within those of `schedule` at which a draw begins, with an exact draw of the Gaussian start's posterior in the noise; null: at `schedule.sigmaMax` (with pure noise where `network.base` is `normal`, the paper)",
    reason: "null suits all data; 8 saves a third of a draw's evaluations on digits, but 3 ended worse",
  }),
  gaussianBelow: field({
    kind: optional(positive),
    fallback: null,
    unit: "the data's",
    meaning:
      "noise level below which the Gaussian start's covariance takes the place of `method`, without a product with the network's Jacobian; null: nowhere (the paper)",
    reason: "null suits all data; 0.2 left digits as good, 0.3 and more worse",
  }),
  batch: field({
    kind: whole(1),
    ...byKind(512, (data) => (isVolume(data) ? VOLUMES_AT_ONCE : 64), "64; 16 for volumes, 512 for vectors"),
    meaning: "observations drawn for together; changes speed and memory, not results but for rounding",
    reason: "enough to keep a few cores busy",
  }),
  clip: field({
    kind: flag,
    fallback: true,
    meaning: "whether samplers keep their means inside the range that the observations state, in every step",
    reason: "no clean value lies outside, and draws that a learned denoiser sends astray find back",
  }),
} as const;

export const M_STEP_FIELDS = {
  steps: field({
    kind: whole(1),
    ...byKind(600, 500, "500; 600 for vectors"),
    meaning: "optimizer steps of an iteration",
    reason: "about twice the E-step's time on digits",
  }),
  finalSteps: field({
    kind: whole(1),
    ...byKind(3000, 1500, "1500; 3000 for vectors"),
    meaning: "optimizer steps of the last iteration",
    reason: "the learning rate falls there, which takes time to pay",
  }),
  batch: field({
    kind: whole(1),
    ...byKind(
      256,
      gridBatch,
      "32; more for images below 16 x 16 pixels, up to 128; 16 for volumes, 256 for vectors",
    ),
    meaning: "draws per optimizer step",
    reason:
      "a step on few pixels is mostly passes over the weights: of 8 x 8 pixels 128 take twice the time of 32, and gained 2.5 times as much in equal time (blurred digits); of 16 x 16 pixels in 3 channels they take 3.2 times as long",
  }),
  microBatch: field({
    kind: optional(whole(1)),
    fallback: null,
    meaning:
      "draws of a step whose gradients are computed together, and then added up; a divisor of `mStep.batch`. Decides the memory of activations, not results but for rounding. null for the whole batch",
    reason: "fastest where the batch fits into memory",
  }),
  learningRate: field({
    kind: triple(positive, "numbers above 0"),
    fallback: [1e-3, 3e-4, 3e-5],
    meaning:
      "learning rate at the first step, at the end of the iterations before the last, and at the very end; without `em.carryOptimizer` each iteration goes from the first to the second",
    reason: "3e-3 taught small networks nothing about rings and clusters; the fall sharpens the end",
  }),
  emaDecay: field({
    kind: share("below one"),
    ...byKind(0.995, 0.98, "0.98; 0.995 for vectors"),
    meaning: "decay of the weights' moving average, which is what samples",
    reason: "slower averages lag behind short iterations",
  }),
  clipNorm: field({
    kind: positive,
    fallback: 1,
    meaning: "largest norm of a gradient",
    reason: "the paper's choice",
  }),
  augment: field({
    kind: list(oneOf(AUGMENTATION_NAMES), `names (${AUGMENTATION_NAMES.join(", ")})`),
    fallback: [],
    meaning: `images: random changes of the draws that training sees; ${AUGMENTATION_NAMES.map((a) => `\`${a}\`: ${AUGMENTATIONS[a].meaning}`).join("; ")}`,
    reason: "only you know which changes leave your images likely",
  }),
  timeBeta: field({
    kind: pair(positive, "numbers above 0"),
    fallback: [3, 3],
    meaning: "training times t follow Beta(a, b)",
    reason: "the paper's choice",
  }),
} as const;

export const FIGURES_FIELDS = {
  gallery: field({
    kind: whole(1),
    fallback: 12,
    meaning: "first observations that reports show with their posterior samples",
    reason: "one row of a page",
  }),
  prior: field({ kind: whole(1), fallback: 40, meaning: "prior samples shown", reason: "a page's worth" }),
  priorSteps: field({
    kind: whole(1, MOST_LEVELS),
    ...byKind(64, 32, "32; 64 for vectors"),
    meaning: "steps of `eStep.sampler` for prior samples; also the default of `diem sample`",
    reason: "more than for a posterior, which the observation steers",
  }),
  every: field({
    kind: whole(1),
    fallback: 4,
    meaning: "iterations between figures that need many samples",
    reason: "they cost as much as an E-step",
  }),
  samples: field({
    kind: whole(1),
    fallback: 1000,
    meaning: "samples behind each figure",
    reason: "few enough to be drawn in a minute",
  }),
  finalSamples: field({
    kind: whole(1),
    fallback: 2000,
    meaning: "prior samples behind the figures of the start and the end",
    reason: "those are the ones that people quote",
  }),
} as const;

/** The groups of the configuration but for the network, whose fields depend on its type. */
export const GROUPS = {
  schedule: SCHEDULE_FIELDS,
  start: START_FIELDS,
  em: EM_FIELDS,
  eStep: E_STEP_FIELDS,
  mStep: M_STEP_FIELDS,
  figures: FIGURES_FIELDS,
} as const;
