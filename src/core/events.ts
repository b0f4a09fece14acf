/** How far long work is. The command line shows it; in code you may ignore it. */
export interface ProgressEvent {
  /** What is running, such as "E-step". */
  readonly stage: string;
  /** EM iteration, and how many there will be; 0 for the start. */
  readonly iteration: number;
  readonly iterations: number;
  readonly done: number;
  readonly total: number;
  /** What `done` counts, such as "draws". */
  readonly unit: string;
  /** In an M-step: the mean loss of its latest steps. */
  readonly loss?: number | undefined;
}

/** Options to watch and to stop long work. */
export interface Watch {
  /** Called many times a second with how far the work is. */
  readonly onEvent?: ((event: ProgressEvent) => void) | undefined;
  /** Called with a sentence and its remedy when something goes wrong that does not stop the work. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Stops the work after the step that is running. */
  readonly signal?: AbortSignal | undefined;
}
