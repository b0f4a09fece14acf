import { resolve } from "node:path";
import { RunFolder } from "../em/run-folder.ts";
import type { Command } from "./arguments.ts";
import { CONFIG_OPTIONS, keepConfig, resolveConfig } from "./config.ts";
import { DATA_OPTIONS, openData } from "./data.ts";
import { trainReported } from "./reported-run.ts";
import { withSession } from "./session.ts";

export const trainCommand: Command = {
  name: "train",
  summary: "Learns a prior from a folder of observations and keeps everything in a run folder.",
  positionals: ["OBS"],
  options: {
    out: { value: "RUN", help: "folder of the run", isRequired: true },
    ...CONFIG_OPTIONS,
    ...DATA_OPTIONS,
    resume: { help: "continue a run that was stopped or killed" },
  },
  run: (args) =>
    withSession(args, async ({ engine, progress, watch }) => {
      const out = resolve(args.required("out"));
      const observations = await openData(args, args.positionals[0]!);
      const resume = args.flag("resume");
      const config = resume
        ? await keepConfig(args, (await RunFolder.open(out)).info.config)
        : await resolveConfig(args, observations);
      const run = await trainReported(observations, config, { out, resume, engine, ...watch }, progress);
      const last = await run.lastIteration();
      return {
        text: `Learned a prior in ${last} iterations. See ${out}/report.html; draw from it with: diem sample ${out} --count 16 --out x.npy`,
        figures: { run: out, iterations: last, ...(await run.readFigures(last)) },
      };
    }),
};
