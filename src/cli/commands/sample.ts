import { arrayShape, whole } from "../../core/kinds.ts";
import { Rng } from "../../core/random.ts";
import { writeNpyRows } from "../../data/arrays/npy.ts";
import { compilePrior } from "../../inference/prior.ts";
import type { Command } from "../arguments.ts";
import { MODEL_OPTIONS, npyOutput, samplerChoice } from "../model-options.ts";
import { openPrior, PRIOR_OPTIONS } from "../prior-options.ts";
import { withSession } from "../session.ts";

export const sample: Command = {
  name: "sample",
  summary: "Draws samples from a learned prior, or (--prior) from a denoiser in an ONNX file.",
  positionals: ["[RUN]"],
  options: {
    count: { value: "N", help: "number of samples", isRequired: true },
    ...MODEL_OPTIONS,
    ...PRIOR_OPTIONS,
    "latent-shape": {
      value: "SHAPE",
      help: "with --prior: shape of a sample, where the file leaves it free",
    },
  },
  run: (args) =>
    withSession(args, async ({ engine, watch }) => {
      args.required("count");
      const count = args.value("count", whole(1))!;
      const out = npyOutput(args);
      const shape = args.value("latent-shape", arrayShape);
      const { model, eStep, priorSteps, label, iteration } = await openPrior(args, args.positionals[0], {
        latentShape: shape,
        count,
      });
      const batch = Math.min(args.value("batch", whole(1)) ?? eStep.batch, count);
      const choice = samplerChoice(args, eStep);
      const steps = args.value("steps", whole(1)) ?? priorSteps;
      await using source = await compilePrior(model, { ...choice, batch, steps }, engine);
      const rng = new Rng(args.value("seed", whole(0)) ?? 0);
      await writeNpyRows(out, [count, ...source.shape], "float32", async (append) => {
        const drawn = source.draw([0, count], {
          ...watch,
          stream: (index) => rng.split("sample", index),
          stage: { name: "Prior samples", iteration: 0, iterations: 0 },
        });
        for await (const { samples } of drawn) await append(samples);
      });
      return {
        text: `Wrote ${count} samples of ${label} to ${out}`,
        figures: { out, count, ...(iteration !== undefined && { iteration }) },
      };
    }),
};
