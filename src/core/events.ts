/** What long work tells about itself while it runs; the command line draws it, a library user may ignore it. */
export interface ProgressEvent {
  /** What is running, e.g. "E-step". */
  readonly stage: string;
  /** EM iteration, and how many there will be; 0 for the start. */
  readonly iteration: number;
  readonly iterations: number;
  readonly done: number;
  readonly total: number;
  /** What `done` counts, e.g. "draws". */
  readonly unit: string;
}

/** How a long computation can be watched and stopped. */
export interface Watch {
  /** Told how far the work is, many times a second. */
  readonly onEvent?: ((event: ProgressEvent) => void) | undefined;
  /** Told what goes wrong without stopping the work, in a sentence with its remedy. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Stops the work after the step that is running. */
  readonly signal?: AbortSignal | undefined;
}
