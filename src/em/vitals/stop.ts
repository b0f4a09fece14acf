import { NumericalError } from "../../core/errors.ts";
import type { Gaussian } from "../../diffusion/gaussian.ts";

/** Faults after which nothing that follows can be trusted: all of them show in the first minutes of a run. */
const LIMITS = {
  /** Variance of the start in standard coordinates, whose latents have 1: below it, all was taken for noise. */
  leastVariance: 0.01,
  /** Residual of the first iteration's draws, which are exact: 1 but for chance, and for what is cut off at the data's range. */
  residual: 2,
  /** Loss of the first M-step, relative to what its base leaves open: 1 for a network that predicts nothing. */
  loss: 10,
} as const;

/** A start whose variance is all but gone. @param gaussian in standard coordinates */
export function faultOfStart({ diagonal, factor }: Gaussian): string | undefined {
  const N = diagonal.data.length;
  const sum = (values: Float32Array, of: (value: number) => number) =>
    values.reduce((total, value) => total + of(value), 0);
  const variance = (sum(diagonal.data, (value) => value) + sum(factor.data, (value) => value ** 2)) / N;
  if (variance >= LIMITS.leastVariance) return undefined;
  return `Gaussian start: expected a variance of about 1 in units of the data's, found ${text(variance)}: what was measured was taken for noise. State a smaller noise variance, or check the operator`;
}

/** Draws of the first iteration that miss their observations. */
export function faultOfExactDraws(residual: number): string | undefined {
  if (residual <= LIMITS.residual) return undefined;
  return `iteration 1: expected draws of the Gaussian start, which are exact, within the noise of their observations, found them off by ${text(residual)} times the noise. Check the operator, the noise variance and the range (eStep.clip)`;
}

/** A first M-step that leaves the network far from any denoiser. @param loss means over some steps each */
export function faultOfFirstLoss(
  loss: readonly (readonly [step: number, value: number])[],
): string | undefined {
  const last = loss.at(-1)?.[1];
  if (last === undefined || last <= LIMITS.loss) return undefined;
  return `iteration 1: expected a loss of about 1, that of a network that predicts nothing, or less, found ${text(last)}. Lower mStep.learningRate`;
}

/**
 * Stops a run for a fault, or warns of it where the user insists.
 * @returns the warning, if there is a fault
 * @throws NumericalError with the fault
 */
export function stopFor(
  fault: string | undefined,
  {
    force,
    onWarning,
  }: { readonly force?: boolean | undefined; readonly onWarning?: ((text: string) => void) | undefined },
): string[] {
  if (fault === undefined) return [];
  if (!force) throw new NumericalError(`${fault}. To go on all the same: --resume --force.`);
  onWarning?.(`${fault}.`);
  return [`${fault}.`];
}

const text = (value: number) => String(Number(value.toPrecision(2)));
