import { rows } from "../core/array.ts";
import { checkpointPace } from "./checkpoint-pace.ts";
import type { Context } from "./context.ts";
import { gaussianDraws } from "./e-step.ts";
import { fitGaussian } from "./gaussian-start.ts";
import { collector } from "./sampling.ts";
import { drawGallery, watch } from "./show.ts";

/** Makes sure that the Gaussian start is on the disk; a fit that was stopped goes on after its last checkpoint. */
export async function ensureGaussian(context: Context): Promise<void> {
  const { run, observations, config, engine, options, rng } = context;
  if (await run.has(0, "gaussian.safetensors")) return;
  await run.beginIteration(0);
  const pace = checkpointPace(options.checkpointSeconds);
  const gaussian = await fitGaussian(observations, config.start, rng, engine, {
    from: await run.readFit(),
    checkpoint: (state) => pace(() => run.writeFit(state)),
    ...watch(options),
  });
  await run.writeGaussian(gaussian);
}

/** The start: the Gaussian, samples of it, and its figures. */
export async function startRun(context: Context): Promise<void> {
  const { run, observations, config, options } = context;
  const began = performance.now();
  await writeGallery(context);
  await ensureGaussian(context);
  const fitted = performance.now();
  const model = await run.readModel(0);
  const prior = await drawGallery(context, model, 0);
  const { samples, gallery } = config.figures;
  const count = Math.min(options.evaluate ? samples : gallery, observations.count);
  const posterior = collector(count, observations.header.latentShape);
  const stage = { name: "Posterior samples", iteration: 0 };
  await gaussianDraws(context, model, [0, count], posterior.add, stage);
  const metrics = {
    ...(await options.evaluate?.("prior", prior)),
    ...(await options.evaluate?.("posterior", posterior.all)),
  };
  await run.writeArray(0, "prior.npy", rows(prior, 0, Math.min(config.figures.prior, prior.shape[0]!)));
  await run.writeArray(0, "posterior.npy", rows(posterior.all, 0, Math.min(gallery, count)));
  await run.writeFigures({
    iteration: 0,
    seconds: { start: (fitted - began) / 1000, figures: (performance.now() - fitted) / 1000 },
    loss: [],
    eStep: {},
    mStep: {},
    metrics,
  });
  await options.onIteration?.(0, metrics);
}

/** Keeps the observations that reports show. */
async function writeGallery({ run, observations, config, options }: Context): Promise<void> {
  const shown = await observations.read(0, Math.min(config.figures.gallery, observations.count));
  await run.writeGallery("observations.npy", shown.y);
  if (shown.data.mask) await run.writeGallery("mask.npy", shown.data.mask);
  if (options.truth) await run.writeGallery("truth.npy", rows(options.truth, 0, shown.y.shape[0]!));
}
