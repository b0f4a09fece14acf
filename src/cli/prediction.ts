import type { PredictedPart, Prediction } from "../em/predict.ts";

/** A prediction in words, for the terminal. */
export function describePrediction({
  parameters,
  start,
  eStep,
  mStep,
  seconds,
  peakBytes,
}: Prediction): string {
  const part = (name: string, { batch, configuredBatch, batchSeconds, timed, ...whole }: PredictedPart) =>
    `${name}: ${batchSeconds.toFixed(2)} s for ${timed} of ${batch} image${batch > 1 ? "s" : ""}${batch < configuredBatch ? ` (the run computes ${configuredBatch} together; taken in proportion)` : ""}; ${duration(whole.seconds)} in the whole run.`;
  return [
    `Network of ${parameters.toLocaleString("en")} parameters.`,
    part("Gaussian start", start),
    part("E-steps", eStep),
    part("M-steps", mStep),
    `Together ${duration(seconds)} on this machine, without figures and reports. Largest resident memory: ${(peakBytes / 2 ** 30).toFixed(1)} GiB.`,
  ].join("\n");
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} seconds`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} minutes`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} hours`;
  return `${(seconds / 86400).toFixed(0)} days`;
}
