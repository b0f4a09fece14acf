import type { ProgressEvent } from "../core/events.ts";
import { type Pace, StageClock } from "../core/stage-clock.ts";

/** Plain lines come at most this often, in milliseconds. */
const LINE_INTERVAL = 10_000;
/** A bar is drawn at most this often. */
const BAR_INTERVAL = 100;
const BAR_WIDTH = 24;

/**
 * Progress on standard error: a bar that is redrawn on a terminal, a line now and then elsewhere. Each says what runs,
 * how fast, and how long it will still take.
 */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #quiet: boolean;
  readonly #clock = new StageClock();
  #last = 0;
  #drawn = false;

  constructor(quiet: boolean, stream: NodeJS.WriteStream = process.stderr) {
    this.#quiet = quiet;
    this.#stream = stream;
  }

  readonly update = (event: ProgressEvent): void => {
    if (this.#quiet) return;
    const now = performance.now();
    const pace = this.#clock.tell(event, now);
    if (pace.isFirst) this.#last = this.#stream.isTTY ? 0 : now;
    const complete = event.done >= event.total;
    if (now - this.#last < (this.#stream.isTTY ? BAR_INTERVAL : LINE_INTERVAL) && !complete) return;
    this.#last = now;
    const line = describe(event, pace);
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\u001b[2K${bar(event.done / event.total)} ${line}${complete ? "\n" : ""}`);
      this.#drawn = !complete;
    } else this.#stream.write(`${line}\n`);
  };

  /** A line of its own. */
  readonly message = (text: string): void => {
    if (!this.#quiet) this.#line(text);
  };

  /** A warning, which no option silences. */
  readonly warning = (text: string): void => this.#line(`Warning: ${text}`);

  #line(text: string): void {
    this.end();
    this.#stream.write(`${text}\n`);
  }

  /** Leaves an unfinished bar standing and goes to a new line. */
  end(): void {
    if (this.#drawn) this.#stream.write("\n");
    this.#drawn = false;
  }
}

function bar(share: number): string {
  const full = Math.round(share * BAR_WIDTH);
  return `[${"#".repeat(full)}${".".repeat(BAR_WIDTH - full)}]`;
}

function describe(
  { stage, iteration, iterations, done, total, unit }: ProgressEvent,
  { seconds, perSecond }: Pace,
): string {
  const where = iteration > 0 ? `iteration ${iteration}/${iterations} ` : "";
  const sofar = `${where}${stage}: ${Math.floor(done)}/${total} ${unit}`;
  if (perSecond === undefined) return sofar;
  const rest = done >= total ? `took ${duration(seconds)}` : `${duration((total - done) / perSecond)} left`;
  return `${sofar}, ${significant(perSecond)} ${unit}/s, ${rest}`;
}

/** Three significant digits, without an exponent. */
export function significant(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** "8 s", "3 min 05 s", "2 h 10 min", "3 d 4 h". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown";
  const whole = Math.round(seconds);
  const pad = (value: number) => String(value).padStart(2, "0");
  if (whole < 60) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}
