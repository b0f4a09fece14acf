/** What figures.json tells of the start or of an iteration. */

/** How far the prior of an iteration errs on held-out numbers (`heldOutScores`); smaller is better. */
export interface HeldOutFigures {
  /** Mean over observations, and its standard error. */
  readonly score: number;
  readonly error: number;
  /** The score less that of the Gaussian start, and the standard error of this paired difference; not of the start itself. */
  readonly change?: number;
  readonly changeError?: number;
  /** The iteration that is the run's result so far, see `resultOf`. */
  readonly result: number;
}

/** ln q(y) of held-out observations (`evidenceGains`), per measured number; larger is better. */
export interface EvidenceFigures {
  readonly mean: number;
  /** Standard error over observations; left out, with the change, where the mean is a lower bound only (`isLowerBound`). */
  readonly error?: number;
  /** The rise over the start, and the standard error of this paired difference; not of the start itself. */
  readonly change?: number;
  readonly changeError?: number;
  /** What the mean likely lacks, a lower bound; not of a Gaussian. */
  readonly slack?: number;
}

/** The noise's variance over the one that the observations state, and the standard error of that; infinite if it cannot be told. */
export interface NoiseFigures {
  readonly scale: number;
  readonly error: number;
}

/** figures.json of the start (iteration 0) or of an iteration; its presence says that the iteration is complete. */
export interface IterationFigures {
  readonly iteration: number;
  readonly seconds: Readonly<Record<string, number>>;
  readonly loss: readonly (readonly [number, number])[];
  readonly eStep: Readonly<Record<string, number>>;
  readonly mStep: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
  /** Present if observations are held out. */
  readonly heldOut?: HeldOutFigures | undefined;
  /** Present if observations are held out and their operator is linear. */
  readonly evidence?: EvidenceFigures | undefined;
  /** If it is estimated (em.noise). */
  readonly noise?: NoiseFigures | undefined;
  /** Warnings about the draws, each with its remedy. */
  readonly warnings?: readonly string[];
}
