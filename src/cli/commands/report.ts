import { join, resolve } from "node:path";
import { writeReport } from "../../report/report.ts";
import type { Command } from "../arguments.ts";

export const report: Command = {
  name: "report",
  summary: "Draws the report of a run; several runs are compared in one report.",
  positionals: ["RUN..."],
  options: {
    out: { value: "FILE.html", help: "file to write", fallback: "RUN/report.html, or comparison.html here" },
  },
  run: async (args) => {
    const runs = args.positionals.map((path) => resolve(path));
    const out = resolve(
      args.text("out") ?? (runs.length === 1 ? join(runs[0]!, "report.html") : "comparison.html"),
    );
    await writeReport(runs, out);
    return { text: `Wrote ${out}`, figures: { out, runs } };
  },
};
