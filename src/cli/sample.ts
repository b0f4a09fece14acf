import { Rng } from "../core/random.ts";
import { writeNpyRows } from "../data/npy.ts";
import { noiseLevels } from "../diffusion/schedule.ts";
import { priorSampler } from "../em/model.ts";
import { drawPrior } from "../em/sampling.ts";
import type { Command } from "./arguments.ts";
import { MODEL_OPTIONS, npyOutput, openModel, samplerChoice } from "./model-options.ts";
import { withSession } from "./session.ts";

export const sample: Command = {
  name: "sample",
  summary: "Draws samples from a learned prior.",
  positionals: ["RUN"],
  options: { count: { value: "N", help: "number of samples", isRequired: true }, ...MODEL_OPTIONS },
  run: (args) =>
    withSession(args, async ({ engine, watch }) => {
      args.required("count");
      const count = args.whole("count", 1)!;
      const out = npyOutput(args);
      const { run, model, iteration } = await openModel(args);
      const { config, observations } = run.info;
      const batch = Math.min(args.whole("batch", 1) ?? config.eStep.batch, count);
      const choice = samplerChoice(args, config.eStep);
      const sampler = await priorSampler(model, { ...choice, batch }, engine);
      const rng = new Rng(args.whole("seed", 0) ?? 0);
      const job = {
        ...watch,
        model,
        levels: noiseLevels(model.schedule, args.whole("steps", 1) ?? config.figures.priorSteps),
        stream: (index: number) => rng.split("sample", index),
        stage: { name: "Prior samples", iteration: 0, iterations: 0 },
      };
      try {
        await writeNpyRows(out, [count, ...observations.latentShape], "float32", async (append) => {
          await drawPrior(sampler, count, job, append);
        });
      } finally {
        await sampler.release();
      }
      return {
        text: `Wrote ${count} samples of iteration ${iteration} to ${out}`,
        figures: { out, count, iteration },
      };
    }),
};
