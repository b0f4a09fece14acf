import { type Content, html } from "../report/html.ts";
import { type RunData, readRun } from "../report/read-run.ts";
import { reportBody } from "../report/report.ts";
import { type Glance, glanceAt } from "./glance.ts";
import type { Runs } from "./runs.ts";
import { statusCards } from "./status-cards.ts";

/** The parts of a page, by the id of their element: how the runs stand, and their report. */
export type Parts = ReadonlyMap<string, string>;

/** What a page shows of some runs. The report is drawn anew only when an iteration, or a run, has ended. */
export class View {
  readonly #find: () => Promise<Runs>;
  readonly #runs = new Map<string, { readonly stamp: string; readonly run: RunData }>();
  #parts: Parts = new Map();
  #stamp = "";
  #refreshing: Promise<void> | undefined;

  constructor(find: () => Promise<Runs>) {
    this.#find = find;
  }

  get parts(): Parts {
    return this.#parts;
  }

  /** Looks at the runs' folders. Whoever asks meanwhile waits for the same look. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const looks = await Promise.all([...(await this.#find())].map((run) => lookAt(...run)));
    const glances = looks.filter((look) => typeof look !== "string");
    const status = [statusCards(glances), alerts(looks)];
    this.#parts = new Map([
      ["status", html`${status}`.text],
      ["report", await this.#report(glances)],
    ]);
  }

  async #report(glances: readonly Glance[]): Promise<string> {
    const stamp = JSON.stringify(glances.map((glance) => glance.stamp));
    if (stamp === this.#stamp) return this.#parts.get("report")!; // drawn when the stamp was kept
    const read = await Promise.all(glances.map((glance) => this.#read(glance)));
    const runs = read.filter((run) => typeof run !== "string");
    if (runs.length === read.length) this.#stamp = stamp;
    return html`${alerts(read)}${runs.length > 0 && reportBody(runs)}`.text;
  }

  async #read({ folder, stamp }: Glance): Promise<RunData | string> {
    const known = this.#runs.get(folder);
    if (known?.stamp === stamp) return known.run;
    const run = await readRun(folder).catch(messageOf);
    if (typeof run !== "string") this.#runs.set(folder, { stamp, run });
    return run;
  }
}

const lookAt = (place: string, folder: string) => glanceAt(place, folder).catch(messageOf);

/** What cannot be read is said in the place of what it would have shown. */
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function alerts(read: readonly unknown[]): Content {
  return read.map((found) => typeof found === "string" && html`<p class="alert">${found}</p>\n`);
}
