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

/** How far each may go before it is told. */
const LIMITS = { widest: 2, narrowest: 0.5, residualGrowth: 4, leastResidual: 3 } as const;

/**
 * Warnings of an EM that goes astray. Errors of an E-step are learned by the M-step and made again by the next
 * E-step, on top of it; a covariance V[x | x_t] that is too wide adds noise or stripes in this way, more with every iteration
 * [Rozet24, figures 9, 10, 15 and 16]. Two things tell, long before it is seen:
 *   spread     draws are wider (or narrower) than the measurements allow, compared with the first iteration, whose draws
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
  const change = (now.spread ?? Number.NaN) / (first!.spread ?? Number.NaN);
  if (change > LIMITS.widest)
    warnings.push(
      `draws scatter ${change.toFixed(1)} times as widely as the measurements allow: noise builds up in the prior.`,
    );
  if (change < LIMITS.narrowest)
    warnings.push(
      `draws scatter only ${change.toFixed(2)} times as widely as the measurements show: the prior shrinks.`,
    );
  const { residual = Number.NaN } = now;
  if (residual > LIMITS.leastResidual && residual > LIMITS.residualGrowth * (second?.residual ?? Number.NaN))
    warnings.push(
      `draws miss their observations by ${residual.toFixed(1)} times the noise, ${(residual / second!.residual!).toFixed(1)} times as much as in iteration 2.`,
    );
  return warnings.map((text) => `Iteration ${now.iteration}: ${text} ${remedy(eStep)}`);
}

function remedy({ method, covariance }: EStepMethod): string {
  return method === "mmps" && covariance !== "tweedie"
    ? `Set eStep.covariance to tweedie (it is ${covariance}).`
    : "Take more eStep.cgSteps and eStep.steps, or a smaller mStep.learningRate.";
}
