/** Network evaluations against quality: ways to draw in the E-step, and EM with the plain one and with the demo's. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../../src/cli/arguments.ts";
import { demoConfig, demoObservations } from "../../src/cli/commands/demo.ts";
import { digitFigures } from "../../src/cli/evaluation/digit-figures.ts";
import { rows } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import { loadMnist } from "../../src/data/mnist.ts";
import type { Observations } from "../../src/data/observations/observations.ts";
import { mergeConfig, type TrainConfig } from "../../src/em/config/config.ts";
import { observationRange } from "../../src/em/course.ts";
import { RunFolder } from "../../src/em/run/run-folder.ts";
import { train } from "../../src/em/train.ts";
import { drawResidual } from "../../src/em/vitals/residual.ts";
import type { Model } from "../../src/inference/model.ts";
import { type Setting, writeResults } from "../experiment.ts";
import { drawPriorSamples, drawWay, levelsWith } from "./draw.ts";
import { evaluationsPage } from "./page.ts";
import { EVALUATIONS_RECIPES, type EvaluationsRecipe } from "./recipes.ts";
import { CHANGES, type Cost, costOf, demoName, levelsOf, PLAIN, plainWays, type Way } from "./settings.ts";

/** Figures of a way to draw, with one prior. */
export interface WayFigures extends Cost {
  readonly name: string;
  /** Frechet distance of the draws to clean test digits. */
  readonly distance: number;
  readonly residual: number;
}

/** Figures of an EM run. */
export interface RunFigures {
  readonly name: string;
  /** Evaluations of the network in all E-steps, and for one draw. */
  readonly evaluations: number;
  readonly perDraw: number;
  /** Frechet distances of the final prior, and of draws that the plain method and the run's own E-step make with it. */
  readonly prior: number;
  readonly posterior: number;
  readonly ownPosterior: number;
}

export interface EvaluationsFigures {
  readonly ways: readonly WayFigures[];
  readonly runs: readonly RunFigures[];
}

/** With `--data RUN`, a finished run of the demo, only the ways to draw are compared, with its prior. */
export async function runEvaluations(setting: Setting): Promise<Outcome> {
  const recipe: EvaluationsRecipe = EVALUATIONS_RECIPES[setting.recipe as keyof typeof EVALUATIONS_RECIPES];
  const began = performance.now();
  const { out, seed, data, session } = setting;
  const clean = await loadMnist("train", { start: 0, end: recipe.observations });
  const observations = await demoObservations(clean.images, join(out, "observations"), seed);
  const standard = mergeConfig(demoConfig(false), { ...recipe.config, seed });
  const plain = configOf(standard, { name: "plain", eStep: { steps: recipe.plainSteps } });
  const digits = await digitFigures(session.engine);
  const lab: Lab = { setting, recipe, observations, plain, digits };
  try {
    const [finished] = data;
    const prior = finished ? await RunFolder.open(finished) : await learn(lab, "plain", plain);
    const ways = await compareWays(lab, standard, prior);
    const runs: RunFigures[] = [];
    if (!finished)
      for (const [name, config] of Object.entries({ plain, demo: standard }))
        runs.push(await evaluateRun(lab, name, await learn(lab, name, config)));
    const figures: EvaluationsFigures = { ways, runs };
    const seconds = (performance.now() - began) / 1000;
    return await writeResults(
      setting,
      seconds,
      { sizes: recipe, ...figures },
      evaluationsPage(figures, recipe),
    );
  } finally {
    await digits.release();
  }
}

/** What the parts share. */
interface Lab {
  readonly setting: Setting;
  readonly recipe: EvaluationsRecipe;
  readonly observations: Observations;
  readonly plain: TrainConfig;
  readonly digits: Awaited<ReturnType<typeof digitFigures>>;
}

/** The demo's configuration with a way to draw: the plain method, with the way's changes. */
function configOf(standard: TrainConfig, { spacing = PLAIN.spacing, eStep }: Way): TrainConfig {
  return mergeConfig(standard, { schedule: { spacing }, eStep: { ...PLAIN.eStep, ...eStep } });
}

/** Trains, or goes on with the run in DIR/NAME. */
async function learn({ setting, observations }: Lab, name: string, config: TrainConfig): Promise<RunFolder> {
  const { out, session } = setting;
  const folder = join(out, name);
  return await train(observations, config, {
    out: folder,
    resume: existsSync(join(folder, "run.json")),
    name: `digits, ${name} E-step`,
    engine: session.engine,
    ...session.watch,
  });
}

async function evaluateRun(lab: Lab, name: string, run: RunFolder): Promise<RunFigures> {
  const { recipe, observations, setting, plain } = lab;
  const { config } = run.info;
  const model = await run.readModel(config.em.iterations);
  const rng = new Rng(setting.seed);
  const request = { model, config, name, rng: rng.split("posterior"), session: setting.session };
  const prior = await drawPriorSamples(
    { ...request, rng: rng.split("prior") },
    recipe.priorSamples,
    recipe.priorSteps,
  );
  const perDraw = costWith(model, config).total;
  let draws = 0; // the first iteration's come from the Gaussian, in closed form
  for (let k = 2; k <= config.em.iterations; k++)
    draws += observationRange(config, observations.count, k).count;
  return {
    name,
    evaluations: perDraw * draws,
    perDraw,
    prior: await distance(lab, "prior", prior),
    posterior: await distance(
      lab,
      "posterior",
      await drawWay({ ...request, config: plain }, observations, recipe.draws),
    ),
    ownPosterior: await distance(lab, "posterior", await drawWay(request, observations, recipe.draws)),
  };
}

/** What a draw with a model costs. */
function costWith(model: Model, config: TrainConfig, restart?: number): Cost {
  const levels = levelsWith(model, config);
  return costOf(levelsOf(levels, config.eStep, restart), config.eStep, levels.unit);
}

async function distance({ digits }: Lab, kind: "prior" | "posterior", samples: Samples): Promise<number> {
  return (await digits.evaluate(kind, samples))[`${kind} Frechet distance`]!;
}

type Samples = Awaited<ReturnType<typeof drawWay>>;

/** Every way with the prior that a run learned; restarts take up draws with the prior before it. */
async function compareWays(lab: Lab, standard: TrainConfig, run: RunFolder): Promise<WayFigures[]> {
  const { recipe, observations, setting, plain } = lab;
  const { session } = setting;
  const last = await run.lastIteration();
  const model = await run.readModel(last);
  const rng = new Rng(setting.seed).split("ways");
  const request = { model, config: plain, rng, session };
  const earlier = await drawWay(
    {
      ...request,
      model: await run.readModel(last - 1),
      rng: rng.split("earlier"),
      name: "earlier draws",
    },
    observations,
    recipe.draws,
  );
  const rivals = [...plainWays(recipe.curve), ...CHANGES].map((way) => ({
    way,
    config: configOf(standard, way),
  }));
  const all: WayFigures[] = [];
  const demo: Way = { name: demoName(standard) };
  for (const { way, config } of [...rivals, { way: demo, config: standard }]) {
    const { name, restart } = way;
    const taken = restart === undefined ? undefined : { draws: earlier, sigma: restart };
    const draws = await drawWay({ ...request, config, name }, observations, recipe.draws, taken);
    const some = rows(draws, 0, Math.min(256, recipe.draws));
    const figures = {
      name,
      ...costWith(model, config, restart),
      distance: await distance(lab, "posterior", draws),
      residual: await drawResidual(observations, 0, some, session.engine),
    };
    session.progress.message(
      `${name}: ${figures.total} evaluations, distance ${figures.distance.toFixed(1)}, residual ${figures.residual.toFixed(2)}`,
    );
    all.push(figures);
  }
  return all;
}
