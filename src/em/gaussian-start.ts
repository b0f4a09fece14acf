import { type Coordinates, inCoordinates } from "../data/observations/coordinates.ts";
import { type ObservationSet, ofOneKind } from "../data/observations/observation-set.ts";
import { scaleNoise } from "../data/observations/scaled-noise.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { standardCoordinates } from "../gaussian/standardize.ts";
import { fitGaussian } from "../gaussian/start.ts";
import { gaussianNoise } from "../trust/gaussian-noise.ts";
import { TOLERANCE } from "../trust/implied-noise.ts";
import type { Context } from "./context.ts";
import type { NoiseFigures } from "./run/iteration-figures.ts";
import { stopFor } from "./vitals/stop.ts";

/**
 * Makes sure that the Gaussian start is on the disk, with the coordinates that everything later is computed in and, if it is
 * estimated, the noise. It takes seconds, so one that was stopped begins anew.
 */
export async function ensureGaussian(context: Context): Promise<void> {
  const { run, observations, config } = context;
  const isEstimated = config.em.noise === "estimate";
  if ((await run.has(0, "gaussian.safetensors")) && (!isEstimated || (await run.hasNoise(0)))) return;
  const { gaussian, coordinates, noise } = isEstimated
    ? await fitWithNoise(context)
    : { ...(await fitTo(context, observations)), noise: undefined };
  if (noise) await run.writeNoise(0, noise);
  await run.writeGaussian(gaussian, coordinates);
}

interface Fitted {
  readonly gaussian: Gaussian;
  readonly coordinates: Coordinates;
}

async function fitTo(
  { config, engine, options, rng }: Context,
  observations: ObservationSet,
  name = "Gaussian start",
): Promise<Fitted> {
  const { onEvent, signal } = options;
  const coordinates = await standardCoordinates(observations, engine);
  const gaussian = await fitGaussian(
    inCoordinates(observations, coordinates),
    config.start,
    rng.split("start"),
    engine,
    {
      signal,
      onStep: ({ rank, taken, most }) =>
        onEvent?.({
          stage: `${name}, rank ${rank}`,
          iteration: 0,
          iterations: 0,
          done: taken,
          total: most,
          unit: "steps",
        }),
    },
  );
  return { gaussian, coordinates };
}

/** Fits of the Gaussian, at most; from a variance 16 times too small or too large three or four are needed. */
const ROUNDS = 8;
/** How far a fit may change the variance: scoring is a linear step. */
const FURTHEST = 4;
/** Share of its error by which the noise may be off from what its Gaussian implies; in the last fit all of it, for a fit's choice of rank jumps. */
const SETTLED = 1 / 4;

/**
 * The Gaussian and the scale of the noise that maximize the likelihood together: one is fitted under the other in turns, the noise by
 * `gaussianNoise`.
 * @throws NumericalError where the observations do not tell noise from latents, unless the user insists: then it is as stated
 */
async function fitWithNoise(context: Context): Promise<Fitted & { readonly noise: NoiseFigures }> {
  const { observations, rng, engine, options } = context;
  let scale = 1;
  for (let round = 1; ; round++) {
    const own = scaleNoise(observations, scale);
    const fitted = await fitTo(context, own, `Gaussian start and noise, fit ${round}`);
    const inside = inCoordinates(own, fitted.coordinates);
    const { factor, error, isTold } = await gaussianNoise(
      ofOneKind(inside),
      fitted.gaussian,
      rng.split("noise"),
      engine,
    );
    const isSettled = Math.abs(factor - 1) <= (round === ROUNDS ? 1 : SETTLED) * error;
    if (isSettled && isTold && error <= TOLERANCE)
      return { ...fitted, noise: { scale, error: scale * error } };
    if (isSettled || round === ROUNDS || !(error < Math.max(1, Math.abs(factor)))) {
      stopFor(UNTOLD, options);
      return {
        ...(await fitTo(context, observations)),
        noise: { scale: 1, error: Number.POSITIVE_INFINITY },
      };
    }
    scale *= Math.min(FURTHEST, Math.max(1 / FURTHEST, factor));
  }
}

const UNTOLD =
  'em.noise: expected observations that tell noise from what is measured, found ones whose latents can follow it, as behind masks that show each entry once. State the noise\'s variance and set em.noise to "stated", or measure some things twice';
