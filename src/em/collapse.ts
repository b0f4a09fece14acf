import type { CovarianceName } from "./posterior.ts";

/** What the alarm looks at, of one iteration. */
export interface EStepVitals {
  readonly iteration: number;
  /** Of `drawResidual`. */
  readonly residual?: number | undefined;
  /** Of `predictiveSpread`. */
  readonly spread?: number | undefined;
}

/** What the remedy depends on. */
export interface EStepMethod {
  readonly method: string;
  readonly covariance: CovarianceName;
}

/**
 * How far each may go before it is told. Spreads measured: 0.57 to 0.7 in healthy runs with 10 to 20 sampler steps, which
 * narrow draws somewhat; 2.3 to 3 with Sigma_t from the first E-step by diffusion on, 3.6 to 9 with (I + Sigma_t^-1)^-1.
 */
const LIMITS = { widest: 2, narrowest: 0.25, residualGrowth: 4, leastResidual: 3 } as const;

/**
 * Warnings of an EM that goes astray. Errors of an E-step are learned by the M-step and made again by the next
 * E-step, on top of it; a poor covariance V[x | x_t] adds noise or stripes in this way, more with every iteration
 * [Rozet24, figures 9, 10, 15 and 16]. Two things tell, long before it is seen:
 *   spread     draws are wider (or narrower) than the measurements allow, and than in the first iteration, whose draws
 *              from the Gaussian start are exact
 *   residual   draws agree with their observations far worse than in the first E-step by diffusion
 * @param history of iterations 1, 2, ..., the one to judge last
 * @returns sentences; none if all is well
 */
export function collapseWarnings(history: readonly EStepVitals[], eStep: EStepMethod): string[] {
  const now = history.at(-1);
  if (now === undefined || now.iteration < 2) return [];
  const [first, second] = history;
  const warnings: string[] = [];
  const { spread = Number.NaN, residual = Number.NaN } = now;
  const started = first!.spread ?? Number.NaN;
  if (spread > LIMITS.widest * Math.max(1, started))
    warnings.push(
      `draws scatter ${significant(spread)} times as widely as the measurements allow: noise builds up in the prior.`,
    );
  if (spread < LIMITS.narrowest * Math.min(1, started))
    warnings.push(
      `draws scatter only ${significant(spread)} times as widely as the measurements show: the prior shrinks.`,
    );
  if (residual > LIMITS.leastResidual && residual > LIMITS.residualGrowth * (second?.residual ?? Number.NaN))
    warnings.push(
      `draws miss their observations by ${significant(residual)} times the noise, ${significant(residual / second!.residual!)} times as much as in iteration 2.`,
    );
  return warnings.map((text) => `Iteration ${now.iteration}: ${text} ${remedy(eStep)}`);
}

const significant = (value: number) => String(Number(value.toPrecision(2)));

function remedy({ method, covariance }: EStepMethod): string {
  return method === "mmps" && covariance !== "tweedie"
    ? `Set eStep.covariance to tweedie (it is ${covariance}).`
    : "Take more eStep.cgSteps and eStep.steps, or a smaller mStep.learningRate.";
}
