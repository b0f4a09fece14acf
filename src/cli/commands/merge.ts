import { resolve } from "node:path";
import { mergeObservations } from "../../data/observations/merged-observations.ts";
import type { Command } from "../arguments.ts";
import { DATA_OPTIONS } from "../data.ts";
import { withSession } from "../session.ts";

export const merge: Command = {
  name: "merge",
  summary:
    "Copies folders of observations into one, for one prior: the same latents, each folder with its own operator, noise and sizes.",
  positionals: ["OBS", "OBS..."],
  options: {
    out: { value: "FOLDER", help: "folder to write", isRequired: true },
    ...DATA_OPTIONS,
  },
  run: (args) =>
    withSession(args, async ({ watch }) => {
      const out = resolve(args.required("out"));
      const parts = args.positionals.map((path) => resolve(path));
      const allowModules = args.flag("allow-module");
      const count = await mergeObservations(parts, out, { allowModules, signal: watch.signal });
      return {
        text: `Wrote ${count} observations of ${parts.length} folders to ${out}. Learn from them with: diem train ${out} --out run`,
        figures: { out, count, parts },
      };
    }),
};
