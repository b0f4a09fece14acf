import { resolve } from "node:path";
import { outcomeOf } from "../em/held-out/outcome.ts";
import { RunFolder } from "../em/run-folder.ts";
import type { Command } from "./arguments.ts";
import { CONFIG_OPTIONS, keepConfig, resolveConfig } from "./config.ts";
import { DATA_OPTIONS, openData } from "./data.ts";
import { trainReported } from "./reported-run.ts";
import { describeEnd } from "./run-end.ts";
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
      const outcome = await outcomeOf(run);
      const { last, best } = outcome;
      const { text, ...ended } = describeEnd(outcome);
      return {
        text: `${text} See ${out}/report.html; draw from it with: diem sample ${out} --count 16 --out x.npy`,
        ...ended,
        figures: { run: out, iterations: last, result: best, ...(await run.readFigures(last)) },
      };
    }),
};
