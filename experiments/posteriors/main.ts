/** Every posterior method against the exact posterior of a Gaussian mixture. */
import type { Outcome } from "../../src/cli/arguments.ts";
import { float32, type HostArray } from "../../src/core/array.ts";
import { Rng } from "../../src/core/random.ts";
import type { Gaussian } from "../../src/diffusion/gaussian.ts";
import { sinkhornDivergence } from "../../src/metrics/sinkhorn.ts";
import { type Setting, writeResults } from "../experiment.ts";
import { APPROXIMATIONS, covarianceOf, drawsAtLevel, meanOf } from "./levels.ts";
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
  readonly points: readonly { readonly at: number; readonly divergence: number }[];
}

export interface PosteriorsFigures {
  /** Draws of x by sampler steps. */
  readonly methods: readonly Curve[];
  /** Draws of x by twisted sampling, by particles. */
  readonly twisted: Curve;
  /** p(x_t | y) with a covariance in place of the exact likelihood, by noise level. */
  readonly levels: readonly Curve[];
}

type Points = HostArray<"float32" | "float64">;

/** Entropy against which the distances between 256 draws in 16 dimensions, about 0.1, are still sharp. */
const SINKHORN = { regularization: 1e-2, maxIterations: 500 } as const;

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
  const exact = observations.map((observation, i) => {
    const posterior = condition(prior, observation);
    const set = (which: string) => draw(posterior, n, rng.split("exact", which, i));
    return [set("one"), set("two")] as const;
  });
  const compare = async (found: readonly Points[], truth: readonly (readonly [Points, Points])[]) => {
    const all: number[] = [];
    for (const [i, points] of found.entries()) {
      const [u1, u2] = truth[i]!;
      all.push(await sinkhornDivergence(u1, u2, points, { ...SINKHORN, signal: watch.signal }));
    }
    return median(all);
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

  const methods: Curve[] = [];
  for (const rival of rivals) {
    const found = await sampleMethod(rival, mixture, observations, recipe.steps, n, seed, engine);
    const points: { at: number; divergence: number }[] = [];
    for (const [k, at] of recipe.steps.entries())
      points.push({ at, divergence: await compare(found[k]!, exact) });
    methods.push({ name: rival.title, points });
    advance();
  }
  const steps = recipe.steps.at(-1)!;
  const twisted: { at: number; divergence: number }[] = [];
  for (const at of recipe.particles) {
    const found = await sampleTwisted(mixture, observations, steps, at, n, seed, engine);
    twisted.push({ at, divergence: await compare(found, exact) });
    advance();
  }
  const levels = APPROXIMATIONS.map((name) => ({ name, points: [] as { at: number; divergence: number }[] }));
  for (const at of recipe.sigmas) {
    const drawn = observations.map((one, i) =>
      drawsAtLevel(prior, one, at, { samples: n, proposals: recipe.proposals }, rng.split("level", at, i)),
    );
    const truth = drawn.map(({ exact }) => exact);
    for (const { name, points } of levels) {
      const divergence = await compare(
        drawn.map(({ approximate }) => approximate[name]),
        truth,
      );
      points.push({ at, divergence });
    }
    advance();
  }
  const figures: PosteriorsFigures = {
    methods,
    twisted: { name: "twisted sampling", points: twisted },
    levels,
  };
  const seconds = (performance.now() - began) / 1000;
  return writeResults(setting, seconds, { sizes: recipe, ...figures }, posteriorsPage(figures, recipe, seed));
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

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}
