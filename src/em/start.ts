import { type HostArray, rows } from "../core/array.ts";
import { inCoordinates } from "../data/observations/coordinates.ts";
import { standardCoordinates } from "../gaussian/standardize.ts";
import { fitGaussian } from "../gaussian/start.ts";
import { drawAll } from "../inference/draw-source.ts";
import type { Model } from "../inference/model.ts";
import { compilePosterior } from "../inference/posterior.ts";
import type { Context } from "./context.ts";
import { evidenceFigures } from "./held-out/evidence.ts";
import { heldOutFigures } from "./held-out/figures.ts";
import { drawGallery, watched } from "./show.ts";
import { faultOfStart, stopFor } from "./vitals/stop.ts";

/**
 * Makes sure that the Gaussian start is on the disk, with the coordinates that everything later is computed in. It takes
 * seconds, so one that was stopped begins anew.
 */
export async function ensureGaussian(context: Context): Promise<void> {
  const { run, observations, config, engine, options, rng } = context;
  if (await run.has(0, "gaussian.safetensors")) return;
  await run.beginIteration(0);
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
          stage: `Gaussian start, rank ${rank}`,
          iteration: 0,
          iterations: 0,
          done: taken,
          total: most,
          unit: "steps",
        }),
    },
  );
  await run.writeGaussian(gaussian, coordinates);
}

/** The start: the Gaussian, samples of it, and its figures. */
export async function startRun(context: Context): Promise<void> {
  const { run, all, config, options } = context;
  const began = performance.now();
  await writeGallery(context);
  await ensureGaussian(context);
  const fitted = performance.now();
  const model = await run.readModel(0);
  stopFor(faultOfStart(model.gaussian), options);
  const prior = await drawGallery(context, model, 0);
  const { samples, gallery } = config.figures;
  const count = Math.min(options.evaluate ? samples : gallery, all.count);
  const posterior = await drawExact(context, model, count);
  const metrics = {
    ...(await options.evaluate?.("prior", prior)),
    ...(await options.evaluate?.("posterior", posterior)),
  };
  await run.writeArray(0, "prior.npy", rows(prior, 0, Math.min(config.figures.prior, prior.shape[0]!)));
  await run.writeArray(0, "posterior.npy", rows(posterior, 0, Math.min(gallery, count)));
  const shown = performance.now();
  const heldOut = await heldOutFigures(context, 0);
  const evidence = await evidenceFigures(context, 0);
  await run.writeFigures({
    iteration: 0,
    seconds: {
      start: (fitted - began) / 1000,
      figures: (shown - fitted) / 1000,
      ...(heldOut && { heldOut: (performance.now() - shown) / 1000 }),
    },
    loss: [],
    eStep: {},
    mStep: {},
    metrics,
    heldOut,
    evidence,
  });
  await options.onIteration?.(0, metrics);
}

/** Draws for the first observations of the whole set. */
async function drawExact(context: Context, start: Model, count: number): Promise<HostArray<"float32">> {
  const { all, run, engine, rng } = context;
  await using source = await compilePosterior(start, all, run.eStep, engine);
  return await drawAll(source, [0, count], {
    ...watched(context, 0, "Posterior samples"),
    stream: (index) => rng.split("e-step", 1, index),
  });
}

/** Keeps the observations that reports show. */
async function writeGallery({ run, all, config, options }: Context): Promise<void> {
  const shown = await all.read(0, Math.min(config.figures.gallery, all.count));
  await run.writeGallery("observations.npy", shown.y);
  if (shown.data.mask) await run.writeGallery("mask.npy", shown.data.mask);
  if (options.truth) await run.writeGallery("truth.npy", rows(options.truth, 0, shown.y.shape[0]!));
}
