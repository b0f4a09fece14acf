import { Rng } from "../../core/random.ts";
import { writeNpyRows } from "../../data/arrays/npy.ts";

import { compilePrior } from "../../inference/prior.ts";
import type { Command } from "../arguments.ts";
import { MODEL_OPTIONS, npyOutput, openModel, samplerChoice } from "../model-options.ts";
import { withSession } from "../session.ts";

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
      const steps = args.whole("steps", 1) ?? config.figures.priorSteps;
      await using source = await compilePrior(model, { ...choice, batch, steps }, engine);
      const rng = new Rng(args.whole("seed", 0) ?? 0);
      await writeNpyRows(out, [count, ...observations.latentShape], "float32", async (append) => {
        const drawn = source.draw([0, count], {
          ...watch,
          stream: (index) => rng.split("sample", index),
          stage: { name: "Prior samples", iteration: 0, iterations: 0 },
        });
        for await (const { samples } of drawn) await append(samples);
      });
      return {
        text: `Wrote ${count} samples of iteration ${iteration} to ${out}`,
        figures: { out, count, iteration },
      };
    }),
};
