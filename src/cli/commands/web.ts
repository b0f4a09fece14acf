import { resolve } from "node:path";
import { writeSite } from "../../web/site.ts";
import type { Command } from "../arguments.ts";
import { ITERATION_OPTION, openIteration } from "../model-options.ts";

export const webCommand: Command = {
  name: "web",
  summary:
    "Writes a page that draws from a learned prior in the browser: samples, and posteriors of what is painted or loaded.",
  positionals: ["RUN"],
  options: {
    out: {
      value: "FOLDER",
      help: "folder to write the page to; any server of files serves it",
      isRequired: true,
    },
    ...ITERATION_OPTION,
  },
  run: async (args) => {
    const { run, iteration } = await openIteration(args);
    const out = resolve(args.required("out"));
    await writeSite(run, out, { iteration });
    return {
      text: `Wrote a page that draws from iteration ${iteration} to ${out}. Serve it and open it: python3 -m http.server --bind 127.0.0.1 --directory ${out}`,
      figures: { out, iteration },
    };
  },
};
