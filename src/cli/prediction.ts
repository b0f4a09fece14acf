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
  const part = (name: string, { images, configuredBatch, timedSeconds, timed, ...whole }: PredictedPart) => {
    const of = `${images} sample${images > 1 ? "s" : ""}`;
    const rest = images < configuredBatch ? ` (of ${configuredBatch}; taken in proportion)` : "";
    return `${name}: ${timedSeconds.toFixed(2)} s for ${timed} with ${of}${rest}; ${duration(whole.seconds)} in the whole run. Memory so far ${gigabytes(whole.peakBytes)}.`;
  };
  return [
    `Network of ${parameters.toLocaleString("en")} parameters.`,
    part("Gaussian start", start),
    part("E-steps", eStep),
    part("M-steps", mStep),
    `Together ${duration(seconds)} on this machine, without figures and reports. Largest resident memory: ${gigabytes(peakBytes)}.`,
  ].join("\n");
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} seconds`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} minutes`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} hours`;
  return `${(seconds / 86400).toFixed(0)} days`;
}
