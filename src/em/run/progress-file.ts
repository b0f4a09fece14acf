import { join } from "node:path";
import type { ProgressEvent } from "../../core/events.ts";
import { replaceFile } from "../../core/files.ts";
import { StageClock } from "../../core/stage-clock.ts";

/** Milliseconds between two writes. */
const INTERVAL = 1000;

/**
 * Keeps in progress.json how far a run is, for whoever watches its folder: nothing is read back. It is written at once, without a flush,
 * in a tenth of a millisecond; in the background each of a dozen calls would wait until the engine lets go of the thread.
 */
export class ProgressFile {
  readonly #path: string;
  readonly #clock = new StageClock();
  #next = performance.now() + INTERVAL;

  constructor(folder: string) {
    this.#path = join(folder, "progress.json");
  }

  /** Keeps the progress, if the last was kept a second ago. The run goes on where it cannot be. */
  readonly tell = (event: ProgressEvent): void => {
    const now = performance.now();
    const { perSecond } = this.#clock.tell(event, now);
    if (now < this.#next) return;
    this.#next = now + INTERVAL;
    const updatedAt = new Date().toISOString();
    try {
      replaceFile(this.#path, `${JSON.stringify({ updatedAt, ...event, perSecond }, null, 2)}\n`);
    } catch {
      // What the run itself writes will tell what is wrong.
    }
  };
}
