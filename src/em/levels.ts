import type { Coordinates } from "../data/observations/coordinates.ts";
import type { Gaussian } from "../diffusion/gaussian.ts";
import { checkSchedule, type Schedule } from "../diffusion/schedule.ts";
import type { ScheduleConfig } from "./config/config.ts";

/**
 * Smallest level: a part of the noise's deviation, so that what a draw's last step leaves out (its variance at the
 * smallest level) is a small share of the noise; within these parts of the latents' typical deviation.
 */
const SMALLEST = { ofNoise: 1 / 6, most: 1e-2, least: 1e-4 } as const;
/**
 * Largest level over the deviation of the data's widest direction. Draws begin there with the Gaussian start's own, so it must only
 * hide what the Gaussian does not know: at 4 the excess kurtosis of two points is down to 1 / 150.
 */
const LARGEST = 4;

/**
 * The noise levels of a run in its coordinates: those of the configuration, which are in the user's units, or what follows
 * from the start.
 * @throws ConfigError if the two do not fit together
 */
export function resolveSchedule(
  { sigmaMin, sigmaMax, spacing }: ScheduleConfig,
  { diagonal, factor }: Gaussian,
  { unit, noise }: Pick<Coordinates, "unit" | "noise">,
): Schedule {
  const [N, r] = factor.shape as [number, number];
  const D = diagonal.data[0]!;
  const lengths = new Float64Array(r);
  for (let at = 0; at < factor.data.length; at++) lengths[at % r]! += factor.data[at]! ** 2;
  const widest = Math.sqrt(D + Math.max(0, ...lengths));
  const typical = Math.sqrt(D + lengths.reduce((a, b) => a + b, 0) / N);
  const part = Math.min(Math.max((SMALLEST.ofNoise * noise) / typical, SMALLEST.least), SMALLEST.most);
  const levels = {
    sigmaMin: sigmaMin === null ? part * typical : sigmaMin / unit,
    sigmaMax: sigmaMax === null ? LARGEST * widest : sigmaMax / unit,
    spacing,
  };
  checkSchedule({ sigmaMin: levels.sigmaMin * unit, sigmaMax: levels.sigmaMax * unit }, "schedule");
  return levels;
}
