import { type HostArray, rows } from "../core/array.ts";
import { drawAll } from "../inference/draw-source.ts";
import type { Model } from "../inference/model.ts";
import { compilePosterior } from "../inference/posterior.ts";
import type { Context } from "./context.ts";
import { ensureGaussian } from "./gaussian-start.ts";
import { copyOf } from "./given-denoiser.ts";
import { copyGiven } from "./given-prior.ts";
import { evidenceFigures } from "./held-out/evidence.ts";
import { heldOutFigures } from "./held-out/figures.ts";
import { noiseOf, withNoise } from "./noise.ts";
import { drawGallery, watched } from "./show.ts";
import { shownOf } from "./shown.ts";
import { faultOfStart, stopFor } from "./vitals/stop.ts";

/** Makes sure that the start is on the disk: the prior that was given, or a Gaussian, and the denoiser of the first E-step. */
export async function ensureStart(context: Context): Promise<void> {
  const { run } = context;
  await run.beginIteration(0);
  const { from, denoiser } = run.info;
  await copyGiven(run, [...(from?.files ?? []), ...(denoiser ? [copyOf(denoiser)] : [])]);
  if (!from) await ensureGaussian(context);
}

/** The start: the prior that EM begins with, samples of it, and its figures. */
export async function startRun(context: Context): Promise<void> {
  const { run, all, config, options } = context;
  const began = performance.now();
  await writeGallery(context);
  await ensureStart(context);
  const fitted = performance.now();
  const model = await run.readModel(0);
  stopFor(faultOfStart(model.gaussian), options);
  const prior = await drawGallery(context, model, 0);
  const { samples, gallery } = config.figures;
  const count = Math.min(options.evaluate ? samples : gallery, all.count);
  const posterior = await drawPosterior(context, model, count);
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
    noise: await noiseOf(context, 0),
  });
  await options.onIteration?.(0, metrics);
}

/** Draws for the first observations of the whole set. */
async function drawPosterior(context: Context, start: Model, count: number): Promise<HostArray<"float32">> {
  const { all, run, engine, rng } = await withNoise(context, 0);
  const choice = { ...run.eStep, batch: Math.min(run.eStep.batch, count) };
  await using source = await compilePosterior(start, all, choice, engine);
  return await drawAll(source, [0, count], {
    ...watched(context, 0, "Posterior samples"),
    stream: (index) => rng.split("e-step", 1, index),
  });
}

/** Keeps the observations that reports show. */
async function writeGallery({ run, all, config, options }: Context): Promise<void> {
  const count = Math.min(config.figures.gallery, all.count);
  const { y, mask } = await shownOf(all, count);
  if (y) await run.writeGallery("observations.npy", y);
  if (mask) await run.writeGallery("mask.npy", mask);
  if (options.truth) await run.writeGallery("truth.npy", rows(options.truth, 0, count));
}
