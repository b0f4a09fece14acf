import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError } from "../core/errors.ts";
import { LivePages, refuse } from "./pages.ts";

/** Milliseconds that browsers have at the end to read how it ended. */
const GRACE = 500;
/** Browsers open up to six connections each. What waits for all of them together stays small. */
const MOST_CONNECTIONS = 64;

/** A page about runs, until it is closed. */
export interface LiveServer extends AsyncDisposable {
  readonly url: string;
}

/**
 * Serves a page on 127.0.0.1 that shows the run in `folder` as it goes, or the runs in a folder of runs side by side. It
 * knows runs through their files alone, so it does not matter which process trains them.
 * @param port 0: any that is free        @throws ConfigError if the port cannot be had
 */
export async function serveRuns(folder: string, port: number): Promise<LiveServer> {
  const pages = new LivePages(folder);
  const server = createServer((request, response) => {
    response.on("error", () => undefined); // a browser that went away is no concern
    pages.answer(request, response).catch((error: unknown) => refuse(response, 500, String(error)));
  });
  server.maxConnections = MOST_CONNECTIONS;
  await listen(server, port);
  pages.begin();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`; // it listens on a port
  const close = async () => {
    await pages.end();
    await closed(server);
  };
  return { url, [Symbol.asyncDispose]: close };
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((done, fail) => {
    server.on("error", fail); // later ones must not end the process
    server.listen(port, "127.0.0.1", done);
  }).catch((cause: NodeJS.ErrnoException) => {
    const found = REASONS[cause.code ?? ""] ?? `found that it cannot be had (${cause.code})`;
    throw new ConfigError(
      `port ${port}: expected a free one, ${found}. Choose another, or 0 for any that is free.`,
      { cause },
    );
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "found it in use",
  EACCES: "found no permission for it",
};

/** Browsers that have not read everything by then are left. */
async function closed(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), GRACE);
  await new Promise((done) => server.close(done));
  clearTimeout(timer);
}
