import type { CovarianceName } from "../../inference/posterior-denoiser.ts";
import { DISAGREES } from "../../trust/misfits.ts";

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
 * How far each may go before it is told. Spreads over that of the start, measured: 0.5 to 1.14 in healthy runs (few steps of
 * `ddpm` narrow draws), 2 to 3 with Sigma_t from the first E-step by diffusion on, 4 to 9 with (I + Sigma_t^-1)^-1.
 * A start that fits badly scatters too little itself, so what is not wide in itself either is not told.
 */
const LIMITS = { growth: 1.8, leastWide: 1.2, shrinkage: 0.1 } as const;

/**
 * Warnings of an EM that goes astray. Errors of an E-step are learned by the M-step and made again by the next
 * E-step, on top of it; a poor covariance V[x | x_t] adds noise or stripes in this way, more with every iteration
 * [Rozet24, figures 9, 10, 15 and 16]. Two things tell, long before it is seen:
 *   spread     draws are wider (or narrower) than the measurements, and than in the first iteration, whose draws from the
 *              Gaussian start are exact
 *   residual   draws do not agree with their observations, as `reconstruct` would say of them
 * @param history of the first iteration, and the one to judge last
 * @returns sentences; none if all is well
 */
export function collapseWarnings(history: readonly EStepVitals[], eStep: EStepMethod): string[] {
  const now = history.at(-1);
  if (now === undefined || now.iteration === 1) return [];
  const [first] = history;
  const warnings: string[] = [];
  const { spread = Number.NaN, residual = Number.NaN } = now;
  const started = first!.spread ?? Number.NaN;
  const change = spread / started;
  const scatter = (only = "") =>
    `draws scatter ${only}${significant(spread)} times as widely as the measurements, ${significant(change)} times as widely as at the start`;
  if (change > LIMITS.growth && spread > LIMITS.leastWide)
    warnings.push(`${scatter()}: noise builds up in the prior.`);
  if (change < LIMITS.shrinkage && spread < LIMITS.shrinkage)
    warnings.push(`${scatter("only ")}: the prior shrinks.`);
  if (residual ** 2 > DISAGREES)
    warnings.push(
      `draws miss their observations by ${significant(residual)} times the noise, about 1 expected; a schedule.sigmaMin above it may be why.`,
    );
  return warnings.map((text) => `Iteration ${now.iteration}: ${text} ${remedy(eStep)}`);
}

const significant = (value: number) => String(Number(value.toPrecision(2)));

function remedy({ method, covariance }: EStepMethod): string {
  return method === "mmps" && covariance !== "tweedie"
    ? `Set eStep.covariance to tweedie (it is ${covariance}).`
    : "Take more eStep.cgSteps and eStep.steps, or a smaller mStep.learningRate.";
}
