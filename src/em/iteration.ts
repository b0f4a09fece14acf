import type { Context } from "./context.ts";
import { learningRateCourse } from "./course.ts";
import { expectation } from "./e-step.ts";
import { evidenceFigures } from "./held-out/evidence.ts";
import { heldOutFigures } from "./held-out/figures.ts";
import {
  averagedParameters,
  beginTraining,
  restartOptimizer,
  type TrainingProgress,
  type TrainingState,
} from "./m-step/state.ts";
import type { Trainer } from "./m-step.ts";
import { noiseOf } from "./noise.ts";
import { checkpointPace } from "./run/checkpoint-pace.ts";
import { showIteration } from "./show.ts";
import { trainingDraws } from "./training-draws.ts";
import { collapseWarnings, type EStepVitals } from "./vitals/collapse.ts";
import { faultOfExactDraws, faultOfFirstLoss, stopFor } from "./vitals/stop.ts";

/**
 * One EM iteration, from wherever an earlier process left it; seconds and rates are of this process.
 * @returns the training state after it
 */
export async function iterate(
  context: Context,
  trainer: Trainer,
  before: TrainingState,
  k: number,
): Promise<TrainingState> {
  const { run, options } = context;
  await run.beginIteration(k);
  const began = performance.now();
  const eStep = await expectation(context, k);
  const warnings = await warningsOf(context, { iteration: k, ...eStep });
  for (const warning of warnings) options.onWarning?.(warning);
  if (k === 1 && !run.beginsWithNetwork && !run.info.denoiser)
    warnings.push(...stopFor(faultOfExactDraws(eStep.residual!), options));
  const noise = await noiseOf(context, k);
  const drawn = performance.now();
  const { trained, steps } = await maximization(context, trainer, before, k);
  const finished = performance.now();
  if (k === 1) warnings.push(...stopFor(faultOfFirstLoss(trained.loss), options));
  const { judgement } = trained;
  for (const warning of judgement?.warnings ?? []) options.onWarning?.(warning);
  warnings.push(...(judgement?.warnings ?? []));
  const heldOut = await heldOutFigures(context, k);
  const evidence = await evidenceFigures(context, k);
  const scored = performance.now();
  const metrics = await showIteration(context, k);
  const seconds = (from: number, to: number) => (to - from) / 1000;
  await run.writeFigures({
    iteration: k,
    seconds: {
      eStep: seconds(began, drawn),
      mStep: seconds(drawn, finished),
      ...(heldOut && { heldOut: seconds(finished, scored) }),
      figures: seconds(scored, performance.now()),
    },
    loss: trained.loss,
    eStep,
    mStep: {
      steps: trained.done,
      ...(steps > 0 && { stepsPerSecond: steps / seconds(drawn, finished) }),
      ...judgement?.gain,
    },
    metrics,
    heldOut,
    evidence,
    noise,
    ...(warnings.length > 0 && { warnings }),
  });
  await options.onIteration?.(k, metrics);
  return trained.state;
}

/** What the draws of an iteration give to worry about, beside those of the first; figures that are gone tell nothing. */
async function warningsOf({ run, config }: Context, now: EStepVitals): Promise<string[]> {
  if (now.iteration === 1) return [];
  const first = (await run.has(1, "figures.json")) ? (await run.readFigures(1)).eStep : undefined;
  return collapseWarnings([{ iteration: 1, ...first }, now], config.eStep);
}

/** The M-step [algorithm 1, lines 7-14], into state.safetensors and weights.safetensors. */
async function maximization(
  context: Context,
  trainer: Trainer,
  before: TrainingState,
  k: number,
): Promise<{ trained: TrainingProgress; steps: number }> {
  const { run, config, options, rng } = context;
  const begun =
    (await run.readProgress(k)) ??
    beginTraining(config.em.carryOptimizer ? before : restartOptimizer(before));
  const steps = mStepLength(context, k);
  using draws = await trainingDraws(context, k);
  const pace = checkpointPace(options.checkpointSeconds);
  const keep = (progress: TrainingProgress) => run.writeProgress(k, progress);
  const request = {
    draws: draws.training,
    steps,
    learningRate: learningRateCourse(run.configAt(k), k, steps, begun.state.slowed),
    rng: rng.split("m-step", k),
    judge: { before, heldOut: draws.heldOut },
    stage: { name: "M-step", iteration: k, iterations: config.em.iterations },
    checkpoint: (progress: () => TrainingProgress) => pace(() => keep(progress())),
    onEvent: options.onEvent,
    signal: options.signal,
  };
  const trained = await trainer.train(begun, request);
  if (!begun.judgement) await keep(trained);
  await run.writeWeights(k, averagedParameters(trainer.network, trained.state));
  return { trained, steps: steps - begun.done };
}

/** Optimizer steps of iteration k; the last one has its own number. */
function mStepLength({ run }: Context, k: number): number {
  const { em, mStep } = run.configAt(k);
  return k === em.iterations ? mStep.finalSteps : mStep.steps;
}
