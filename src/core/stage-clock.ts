import type { ProgressEvent } from "./events.ts";

/** Rates are told from this many seconds on. */
const SHORTEST = 0.05;

/** How long a stage has run, and how fast. */
export interface Pace {
  /** Whether the event is the stage's first. */
  readonly isFirst: boolean;
  readonly seconds: number;
  /** What is done in a second; undefined as long as it cannot be told. */
  readonly perSecond: number | undefined;
}

/** Times the stages that events tell of. A stage begins with its first event, which may come late: rates count from there on. */
export class StageClock {
  #stage: string | undefined;
  #began = 0;
  /** What was done when the stage began. */
  #from = 0;

  /** @param now milliseconds, of any origin */
  tell({ stage, iteration, done, total }: ProgressEvent, now: number): Pace {
    const name = `${stage} ${iteration}`;
    const isFirst = name !== this.#stage;
    if (isFirst) {
      this.#began = now;
      this.#from = done;
    }
    // After the last event of a stage another one may follow that has the same name.
    this.#stage = done < total ? name : undefined;
    const seconds = (now - this.#began) / 1000;
    const isKnown = seconds >= SHORTEST && done > this.#from;
    return { isFirst, seconds, perSecond: isKnown ? (done - this.#from) / seconds : undefined };
  }
}
