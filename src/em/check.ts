import type { Watch } from "../core/events.ts";
import { Rng } from "../core/random.ts";
import type { ObservationSet } from "../data/observations/observation-set.ts";
import { splitObservations } from "../data/observations/split-observations.ts";
import type { EngineOptions } from "../runtime/engine.ts";
import { type CheckSizes, checkPrior } from "../trust/check.ts";
import { unknown, VERDICTS, type Verdict } from "../trust/verdict.ts";
import { type Course, convergence } from "../trust/verdicts/convergence.ts";
import { heldOutCount } from "./course.ts";
import { readEvidence } from "./held-out/evidence.ts";
import { readScores } from "./held-out/figures.ts";
import type { RunFolder } from "./run/run-folder.ts";

export interface CheckRunOptions extends Watch {
  /** Observations to judge the run's prior by, in place of those it held out. */
  readonly observations?: ObservationSet | undefined;
  /** Whose prior; default: the run's result. */
  readonly iteration?: number | undefined;
  readonly seed?: number | undefined;
  readonly engine?: EngineOptions | undefined;
}

/** The verdicts on a run, in order, and what they took. */
export interface RunCheck {
  readonly iteration: number;
  readonly verdicts: readonly Verdict[];
  readonly sizes: CheckSizes;
  readonly seconds: { readonly training: number; readonly check: number };
  /** Whether the observations that judged were trained on: verdicts are then too kind. */
  readonly trainedOn: boolean;
}

/** Share of the training's time that a check may take. */
const SHARE = 0.1;
/**
 * Observations drawn for (vectors have few numbers each, and cheap draws), and draws for each: one less than a multiple of 20, so
 * that 50 and 90 % are exact.
 */
const OBSERVATIONS = { least: { vectors: 128, images: 32 }, most: 256 } as const;
const DRAWS = [19, 39, 99, 199] as const;
/** Sets of observations that are drawn for: those judged, their twins, and those trained on. */
const SETS = 3;

/**
 * How many observations and draws a share of the training's time allows, at the rate of the run's last E-step; the least however
 * little that is.
 * @param count observations that there are        @param rate draws a second
 */
export function checkSizes(
  { seconds, rate }: { readonly seconds: number; readonly rate: number },
  count: number,
  latents: keyof typeof OBSERVATIONS.least,
): CheckSizes {
  const allowed = (SHARE * seconds * rate) / SETS;
  const observations = Math.min(
    count,
    Math.max(OBSERVATIONS.least[latents], Math.min(OBSERVATIONS.most, Math.floor(allowed / DRAWS[0]))),
  );
  const draws = DRAWS.findLast((S) => S * observations <= allowed) ?? DRAWS[0];
  return { observations, draws };
}

/**
 * Judges the prior of a run by measurements alone.
 * @param stated the observations that the run was trained on, and held out of; their noise is the run's where it estimated it, that of
 *   others is what they state
 */
export async function checkRun(
  run: RunFolder,
  stated: ObservationSet,
  options: CheckRunOptions = {},
): Promise<RunCheck> {
  const { seed = 0, engine = {}, observations: others, ...watch } = options;
  const began = performance.now();
  const iteration = options.iteration ?? (await run.bestIteration());
  const { config } = run.info;
  const learned = await run.withNoise(stated, iteration);
  const { training, heldOut } = splitObservations(learned, heldOutCount(config, learned.count));
  const judged = others ?? heldOut ?? learned;
  const history = await historyOf(run);
  const kind = learned.header.latentShape.length === 1 ? "vectors" : "images";
  const sizes = checkSizes(history, judged.count, kind);
  const model = await run.readModel(iteration);
  const found = await checkPrior(
    {
      model,
      choice: run.eStep,
      observations: judged,
      learned,
      ...(heldOut && { trained: training }),
      ...(others && { like: heldOut ?? learned }),
    },
    { ...watch, sizes, rng: new Rng(seed).split("check"), engine },
  );
  const missing = [
    ...(heldOut
      ? []
      : [unknown("overfitting", "no observations were held out.", "Train with em.validation.")]),
    ...(others
      ? []
      : [unknown("shift", "the observations are the run's own.", "Give others: diem check RUN OBS.")]),
  ];
  const all = [...found, convergence(history.evidence, history.scores), ...missing];
  return {
    iteration,
    verdicts: VERDICTS.flatMap((name) => all.filter((verdict) => verdict.name === name)),
    sizes,
    seconds: { training: history.seconds, check: (performance.now() - began) / 1000 },
    trainedOn: !others && !heldOut,
  };
}

/** Seconds of a run, draws a second of its last E-step by diffusion, and what was told by held-out observations. */
async function historyOf(run: RunFolder) {
  let [seconds, rate] = [0, 0];
  const evidence: Course[number][] = [];
  const scores: Course[number][] = [];
  const last = await run.lastIteration();
  for (let k = 0; k <= last; k++) {
    if (!(await run.has(k, "figures.json"))) continue;
    const figures = await run.readFigures(k);
    for (const value of Object.values(figures.seconds)) seconds += value;
    if (k > 1) rate = figures.eStep.imagesPerSecond ?? rate;
    const [values, score] = [await readEvidence(run, k), await readScores(run, k)];
    if (values) evidence.push({ iteration: k, values });
    if (score) scores.push({ iteration: k, values: ofScores(score) });
  }
  return { seconds, rate, evidence, scores };
}

/** Scores are better where they are smaller. */
function ofScores(scores: Float64Array): Course[number]["values"] {
  return { each: scores.map((score) => -score), measured: new Float64Array(scores.length).fill(1) };
}
