import { significant } from "./progress.ts";

/** One line about a finished iteration. */
export function summarize(
  iteration: number,
  iterations: number,
  metrics: Readonly<Record<string, number>>,
): string {
  const what = iteration === 0 ? "Gaussian start" : `Iteration ${iteration}/${iterations}`;
  const figures = Object.entries(metrics).map(([name, value]) => `${name} ${significant(value)}`);
  return `${what} done${figures.length > 0 ? `: ${figures.join(", ")}` : ""}`;
}
