import { exportRun } from "../../api/export.ts";
import { oneOf, whole } from "../../core/kinds.ts";
import { ofOneKind } from "../../data/observations/observation-set.ts";
import { EXPORTS } from "../../inference/export/description.ts";
import type { Command } from "../arguments.ts";
import { DATA_OPTIONS, openData } from "../data.ts";
import { ITERATION_OPTION, openIteration } from "../model-options.ts";

export const exportCommand: Command = {
  name: "export",
  summary:
    "Writes a learned prior as an ONNX file: standard operators (opset 17), the data's units, any number of samples.",
  positionals: ["RUN", "[OBS]"],
  options: {
    out: { value: "FILE.onnx", help: "file to write; its metadata describe it", isRequired: true },
    what: {
      value: "NAME",
      help: "denoiser: (x, sigma) to mean; posterior: (x, sigma, y, the operator's data) to mean, for observations like those of OBS; sampler: noise to samples",
      fallback: "denoiser",
    },
    steps: { value: "T", help: "steps of the sampler", fallback: "those of the run" },
    ...ITERATION_OPTION,
    ...DATA_OPTIONS,
  },
  run: async (args) => {
    const what = args.value("what", oneOf(EXPORTS)) ?? "denoiser";
    const { run, iteration } = await openIteration(args);
    const path = args.positionals[1];
    const exported = await exportRun(run, {
      out: args.required("out"),
      what,
      iteration,
      steps: args.value("steps", whole(1)),
      observations: path === undefined ? undefined : ofOneKind(await openData(args, path)),
    });
    return {
      text: `Wrote the ${what} of iteration ${iteration} to ${exported.out} (${(exported.bytes / 1e6).toFixed(1)} MB, opset 17)`,
      figures: { ...exported },
    };
  },
};
