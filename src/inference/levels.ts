import { ConfigError } from "../core/errors.ts";
import { noiseLevels, type Schedule } from "../diffusion/schedule.ts";

/**
 * The noise levels that a posterior draw visits.
 * @param gaussianStart level at which it begins, in the user's units; null or left out: the largest
 * @param unit of the schedule's coordinates
 * @throws ConfigError unless it begins above the smallest level and within the range that the network is trained for
 */
export function posteriorLevels(
  schedule: Schedule,
  { steps, gaussianStart }: { readonly steps: number; readonly gaussianStart?: number | null },
  unit = 1,
): number[] {
  const sigmaMax = typeof gaussianStart === "number" ? gaussianStart / unit : schedule.sigmaMax;
  if (!(sigmaMax > schedule.sigmaMin && sigmaMax <= schedule.sigmaMax))
    throw new ConfigError(
      `eStep.gaussianStart must be above the smallest noise level (${schedule.sigmaMin * unit}) and at most the largest (${schedule.sigmaMax * unit}), got ${gaussianStart}. Take null to begin at the largest.`,
    );
  return noiseLevels({ ...schedule, sigmaMax }, steps);
}
