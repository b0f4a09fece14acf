import type { ServerResponse } from "node:http";
import type { Parts } from "./view.ts";

/**
 * A browser that is told what changes, by server-sent events. To one that reads slowly nothing is written until it has read what was
 * written last; then it gets the newest of what it lacks. So what waits for it is never more than one part of a page.
 */
export class Listener {
  readonly #response: ServerResponse;
  readonly #told = new Map<string, string>();
  #isBusy = false;

  /** @param newest what it lacks may be found there, once it has read */
  constructor(response: ServerResponse, newest: () => Parts) {
    this.#response = response;
    response.on("drain", () => {
      this.#isBusy = false;
      this.tell(newest());
    });
  }

  /** Writes those parts that it has not been told as they are. */
  tell(parts: Parts): void {
    for (const [name, text] of parts) {
      if (this.#isBusy) return;
      if (this.#told.get(name) === text) continue;
      this.#told.set(name, text);
      this.#isBusy = !this.#response.write(eventOf(name, text));
    }
  }

  end(): void {
    this.#response.end();
  }
}

function eventOf(name: string, text: string): string {
  const lines = text.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `event: ${name}\n${lines.join("")}\n`;
}
