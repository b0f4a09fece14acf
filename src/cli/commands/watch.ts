import { once } from "node:events";
import { resolve } from "node:path";
import { DataError } from "../../core/errors.ts";
import { findRuns } from "../../live/runs.ts";
import type { Command } from "../arguments.ts";
import { DEFAULT_PORT, serveAt } from "../live.ts";
import { withSession } from "../session.ts";

export const watchCommand: Command = {
  name: "watch",
  summary: "Serves a page on this machine that shows a run as it goes, or a folder of runs side by side.",
  positionals: ["RUN"],
  options: {
    port: { value: "N", help: "port on 127.0.0.1; 0: any that is free", fallback: `${DEFAULT_PORT}` },
  },
  run: (args) =>
    withSession(args, async ({ progress, watch: { signal } }) => {
      const folder = resolve(args.positionals[0]!);
      if ((await findRuns(folder)).size === 0)
        throw new DataError(
          `${folder}: expected a run or a folder of runs, found neither. Give the folder of "diem train --out", or the one above it.`,
        );
      await using server = await serveAt(folder, args, "port", progress);
      progress.message("Ctrl-C ends it; the runs go on.");
      if (!signal!.aborted) await once(signal!, "abort");
      return { text: "No longer watching.", figures: { url: server.url } };
    }),
};
