import { fromUser, inCoordinates } from "../data/observations/coordinates.ts";
import { scaleNoise } from "../data/observations/scaled-noise.ts";
import { drawAll } from "../inference/draw-source.ts";
import { compilePosterior } from "../inference/posterior.ts";
import { type ImpliedNoise, impliedNoise } from "../trust/implied-noise.ts";
import { compileMisfits } from "../trust/misfits.ts";
import { inMemory, makeTwins } from "../trust/twins.ts";
import type { Context } from "./context.ts";
import { observationRange } from "./course.ts";
import type { NoiseFigures } from "./run/iteration-figures.ts";
import { firstDraws } from "./training-draws.ts";

/** Observations that twins are made of, at most: those of images are dear, but tell much. */
const COMPARED = { vectors: 256, images: 32 } as const;
/** Errors by which draws must contradict the noise for it to be changed: what they do not, chance would. */
const CERTAIN = 2;
/** How far one iteration may change the variance: scoring is a linear step. */
const FURTHEST = 4;

/**
 * The noise that iteration k's draws imply, as a scale of the stated variance: with it the prior of iteration k is judged, and
 * iteration k + 1 draws. Computed unless it is on the disk; undefined where the stated noise is taken for true.
 */
export async function noiseOf(context: Context, k: number): Promise<NoiseFigures | undefined> {
  const { run, config } = context;
  if (config.em.noise !== "estimate") return undefined;
  if (k === 0 || (await run.hasNoise(k))) return await run.readNoise(k);
  const noise = await impliedBy(context, k);
  await run.writeNoise(k, noise);
  return noise;
}

/** The context with the noise of `noiseOf` in place of the stated one. */
export async function withNoise(context: Context, k: number): Promise<Context> {
  const noise = await noiseOf(context, k);
  if (!noise) return context;
  const stated = context.stated ?? context;
  return {
    ...context,
    observations: scaleNoise(stated.observations, noise.scale),
    all: scaleNoise(stated.all, noise.scale),
    heldOut: stated.heldOut && scaleNoise(stated.heldOut, noise.scale),
    stated,
  };
}

/** The first iteration draws from the Gaussian start, which has told the noise already. */
async function impliedBy(context: Context, k: number): Promise<NoiseFigures> {
  const before = (await noiseOf(context, k - 1))!;
  if (k === 1 || !Number.isFinite(before.error)) return before;
  const { factor, error, isTold } = await compareDraws(await withNoise(context, k - 1), k);
  if (!isTold || Math.abs(factor - 1) <= CERTAIN * error) return before;
  const step = Math.min(FURTHEST, Math.max(1 / FURTHEST, factor));
  return { scale: before.scale * step, error: before.scale * error };
}

/** Compares draws of iteration k with draws for twins of their observations. */
async function compareDraws(context: Context, k: number): Promise<ImpliedNoise> {
  const { run, observations, engine, config, options } = context;
  const { start, count } = observationRange(run.configAt(k), observations.count, k);
  const most = COMPARED[observations.header.latentShape.length === 1 ? "vectors" : "images"];
  const x = firstDraws(context, k, Math.min(most, count, observations.count - start));
  const n = x.shape[0]!;
  const model = await run.readModel(k - 1);
  const rng = context.rng.split("noise", k);
  const watch = { onEvent: options.onEvent, signal: options.signal };
  const drawn = await inMemory(observations, [start, start + n]);
  const choice = { ...run.eStep, batch: Math.min(run.eStep.batch, n) };
  const twins = await makeTwins(model, drawn, choice.batch, rng.split("twins"), { ...watch, engine });
  await using posterior = await compilePosterior(model, twins.observations, choice, engine);
  const ofTwins = await drawAll(posterior, [0, n], {
    ...watch,
    stage: { name: "Noise", iteration: k, iterations: config.em.iterations },
    stream: (index) => rng.split("draw", index),
  });
  const { coordinates } = model;
  await using own = await compileMisfits(inCoordinates(drawn, coordinates), n, engine);
  await using other = await compileMisfits(inCoordinates(twins.observations, coordinates), n, engine);
  const found = await own.of(fromUser(coordinates, x), 0);
  const expected = await other.of(fromUser(coordinates, ofTwins), 0);
  const truth = await other.of(fromUser(coordinates, twins.latents), 0);
  return impliedNoise({
    found: [...found.squares],
    expected: [...expected.squares],
    scores: Array.from(truth.squares, (value, i) => (value - truth.measured[i]!) / 2),
  });
}
