/** Every posterior method against the exact posterior of a Gaussian mixture. */
import type { Outcome } from "../../src/cli/arguments.ts";
import { float32 } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Gaussian } from "../../src/diffusion/gaussian.ts";
import { type Setting, writeResults } from "../experiment.ts";
import { type Distance, divergenceFrom, LEAST, median, type Pair } from "./divergence.ts";
import { APPROXIMATIONS, type Approximation, covarianceOf, drawsAtLevel, meanOf } from "./levels.ts";
import { posteriorsPage } from "./page.ts";
import {
  type Component,
  componentsOf,
  condition,
  draw,
  FEATURES,
  lowerFactor,
  observe,
  randomMixture,
} from "./problem.ts";
import { type PosteriorsRecipe, RECIPES } from "./recipes.ts";
import { contenders, sampleMethod, sampleTwisted } from "./sampled.ts";

/** Median divergence over the observations, against a parameter. */
export interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Point {
  readonly at: number;
  /** Infinite, null in results.json, where draws were not finite for half of the observations. */
  readonly divergence: number;
}

export interface PosteriorsFigures {
  /** What the same comparison makes of other exact draws of x: median absolute value over the observations. */
  readonly resolution: number;
  /** Draws of x by sampler steps. */
  readonly methods: readonly Curve[];
  /** Draws of x by twisted sampling, by particles. */
  readonly twisted: Curve;
  /** p(x_t | y) with a covariance in place of the exact likelihood, by noise level. */
  readonly levels: readonly Curve[];
}

export async function runPosteriors(setting: Setting): Promise<Outcome> {
  const { recipe: name, seed, session } = setting;
  const recipe: PosteriorsRecipe = RECIPES[name as keyof typeof RECIPES];
  const began = performance.now();
  const { engine, watch } = session;
  const rng = new Rng(seed);
  const mixture = randomMixture(rng.split("prior"));
  const prior = componentsOf(mixture);
  const observations = Array.from({ length: recipe.observations }, (_, i) =>
    observe(prior, rng.split("observation", i)),
  );
  const n = recipe.samples;
  const exactPairs = (which: string) =>
    observations.map((observation, i): Pair => {
      const posterior = condition(prior, observation);
      return [draw(posterior, n, rng.split(which, i, 0)), draw(posterior, n, rng.split(which, i, 1))];
    });
  const distancesFrom = (truth: readonly Pair[]) =>
    Promise.all(truth.map((pair) => divergenceFrom(pair, watch.signal)));
  const compare = async (distances: readonly Distance[], found: readonly (Pair | undefined)[]) => {
    const all: number[] = [];
    for (const [i, pair] of found.entries())
      all.push(pair ? await distances[i]!(pair) : Number.POSITIVE_INFINITY);
    return all;
  };
  const rivals = contenders(gaussianOf(prior));
  const total = rivals.length + recipe.particles.length + recipe.sigmas.length;
  let done = 0;
  const advance = () =>
    session.progress.update({
      stage: "posteriors",
      iteration: 0,
      iterations: 0,
      done: ++done,
      total,
      unit: "curves",
    });

  const fromExact = await distancesFrom(exactPairs("exact"));
  const resolution = median((await compare(fromExact, exactPairs("again"))).map(Math.abs));
  const methods: Curve[] = [];
  for (const rival of rivals) {
    const found = await sampleMethod(rival, mixture, observations, recipe.steps, n, seed, engine);
    const points: Point[] = [];
    for (const [k, at] of recipe.steps.entries())
      points.push({ at, divergence: shown(await compare(fromExact, found[k]!)) });
    methods.push({ name: rival.title, points });
    advance();
  }
  const steps = recipe.steps.at(-1)!;
  const twisted: Point[] = [];
  for (const at of recipe.particles) {
    const found = await sampleTwisted(mixture, observations, steps, at, n, seed, engine);
    twisted.push({ at, divergence: shown(await compare(fromExact, found)) });
    advance();
  }
  const levels = APPROXIMATIONS.map((name) => ({ name, points: [] as Point[] }));
  for (const at of recipe.sigmas) {
    const drawn = observations.map((one, i) =>
      [0, 1].map((set) => drawsAtLevel(prior, one, at, recipe, rng.split("level", at, i, set))),
    );
    const pairs = (name: Approximation | "exact") =>
      drawn.map(([one, two]): Pair => [one![name], two![name]]);
    const distances = await distancesFrom(pairs("exact"));
    for (const { name, points } of levels)
      points.push({ at, divergence: shown(await compare(distances, pairs(name))) });
    advance();
  }
  const figures: PosteriorsFigures = {
    resolution,
    methods,
    twisted: { name: "twisted sampling", points: twisted },
    levels,
  };
  const seconds = (performance.now() - began) / 1000;
  return writeResults(setting, seconds, { sizes: recipe, ...figures }, posteriorsPage(figures, recipe, seed));
}

function shown(divergences: readonly number[]): number {
  return Math.max(median(divergences), LEAST);
}

/** The Gaussian with the mixture's mean and covariance, for the covariance "sigma-x". */
function gaussianOf(prior: readonly Component[]): Gaussian {
  const covariance = covarianceOf(prior);
  // Diagonal plus factor: a small part of the smallest variance stays on the diagonal, the rest is factored.
  const least = 1e-4;
  const rest = covariance.clone();
  for (let i = 0; i < FEATURES; i++) rest.set(i, i, rest.get(i, i) - least);
  return {
    mean: float32(meanOf(prior).to1DArray()),
    diagonal: float32(new Float32Array(FEATURES).fill(least)),
    factor: float32(lowerFactor(rest).to1DArray(), [FEATURES, FEATURES]),
  };
}
