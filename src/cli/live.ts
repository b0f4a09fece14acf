import { whole } from "../core/kinds.ts";
import { type LiveServer, serveRuns } from "../live/server.ts";
import type { Arguments } from "./arguments.ts";
import type { Progress } from "./progress.ts";

/** The second half of it is taken more often: arXiv 2405.13712. */
export const DEFAULT_PORT = 2405;
const PORT = whole(0, 65_535);

/**
 * Serves the page about the run, or the runs, in a folder.
 * @param option names the port; without a value it is the default
 * @throws ConfigError if it cannot be had
 */
export async function serveAt(
  folder: string,
  args: Arguments,
  option: "port" | "serve",
  progress: Progress,
): Promise<LiveServer> {
  const port = args.text(option) ? args.required(option, PORT) : DEFAULT_PORT;
  const server = await serveRuns(folder, port);
  progress.message(`Live: ${server.url}`);
  return server;
}
