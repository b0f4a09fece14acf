import type { IncomingMessage, ServerResponse } from "node:http";
import { basename } from "node:path";
import { readRegular } from "../core/files.ts";
import { policy } from "../report/html.ts";
import { Listener } from "./listener.ts";
import { livePage } from "./live-page.ts";
import { findRuns, PAGES, pagePath } from "./runs.ts";
import { View } from "./view.ts";

/** Milliseconds between looks at the runs' folders; nobody looks while no browser listens. */
const INTERVAL = 500;
/** The names of this machine; another one may be a foreign site's, which so makes a browser read what is served here. */
const LOCAL = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i;
/** A page, its events, or a page of a run; of the run in a folder of runs that comes first, if any. */
const PLACE = new RegExp(
  `^/(?:([^/?]+)/)?(events|${PAGES.map((name) => name.replace(".", "\\.")).join("|")})?(?:\\?.*)?$`,
);

/** Views of runs, and the browsers that listen to each. */
export class LivePages {
  readonly #folder: string;
  readonly #views = new Map<string, { readonly view: View; readonly listeners: Set<Listener> }>();
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Begins to look at the folders. */
  begin(): void {
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.begin());
    }, INTERVAL);
  }

  /** Answers with a page, its events, or a refusal. */
  async answer({ headers, method, url = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!LOCAL.test(headers.host ?? "")) return refuse(response, 403, "Only local addresses are answered.");
    if (method !== "GET") return refuse(response, 405, "Only GET is answered.");
    const [isPlace, encoded = "", what] = PLACE.exec(url) ?? [];
    const place = decoded(encoded);
    const runs = await findRuns(this.#folder);
    const isRun = place !== undefined && runs.has(place);
    if (isPlace === undefined || !(isRun || place === ""))
      return refuse(response, 404, "There is no such page.");
    if (what === "events") return this.#listen(place, response);
    if (what !== undefined) return await sendPage(response, runs.get(place), what);
    const { view } = this.#at(place);
    await view.refresh();
    const name = place || basename(this.#folder);
    send(response, livePage(name, view.parts, place !== ""));
  }

  #at(place: string) {
    const known = this.#views.get(place);
    if (known) return known;
    const find = async () => {
      const runs = await findRuns(this.#folder);
      const run = runs.get(place);
      if (place === "") return runs;
      return new Map(run === undefined ? [] : [["", run]]);
    };
    const made = { view: new View(find), listeners: new Set<Listener>() };
    this.#views.set(place, made);
    return made;
  }

  #listen(place: string, response: ServerResponse): void {
    const { view, listeners } = this.#at(place);
    response.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream" });
    response.write("retry: 1000\n\n");
    const listener = new Listener(response, () => view.parts);
    listeners.add(listener);
    response.on("close", () => listeners.delete(listener));
  }

  async #look(): Promise<void> {
    for (const { view, listeners } of this.#views.values()) {
      if (listeners.size === 0) continue;
      await view.refresh().catch(() => undefined); // the next look may succeed
      for (const listener of listeners) listener.tell(view.parts);
    }
  }

  /** Tells how it ended. */
  async end(): Promise<void> {
    await this.#looking;
    clearTimeout(this.#timer);
    await this.#look();
    for (const { listeners } of this.#views.values()) for (const listener of listeners) listener.end();
  }
}

const HEADERS = {
  "Cache-Control": "no-store",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

function send(
  response: ServerResponse,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): void {
  response.writeHead(200, { ...HEADERS, "Content-Type": "text/html; charset=utf-8", ...headers });
  response.end(body);
}

export function refuse(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { ...HEADERS, "Content-Type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}

/** A page out of a run's folder, which whoever made the run may have written: it may do nothing but be seen. */
async function sendPage(response: ServerResponse, run: string | undefined, name: string): Promise<void> {
  const path = run === undefined ? undefined : await pagePath(run, name);
  if (path === undefined) return refuse(response, 404, "There is no such page.");
  send(response, await readRegular(path), { "Content-Security-Policy": `${policy()}; sandbox` });
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
