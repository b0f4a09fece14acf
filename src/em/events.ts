/** What long work tells about itself while it runs; the command line draws it, a library user may ignore it. */
export interface ProgressEvent {
  /** What is running, e.g. "E-step". */
  readonly stage: string;
  /** EM iteration, and how many there will be; 0 for the start. */
  readonly iteration: number;
  readonly iterations: number;
  readonly done: number;
  readonly total: number;
  /** What `done` counts, e.g. "images". */
  readonly unit: string;
}

/** How a long computation can be watched and stopped. */
export interface Watch {
  readonly onEvent?: ((event: ProgressEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}
