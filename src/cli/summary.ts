import { significant } from "./progress.ts";

/** One line about a finished iteration. */
export function summarize(
  iteration: number,
  iterations: number,
  metrics: Readonly<Record<string, number>>,
  evidence?: Readonly<Record<string, number | null>>,
): string {
  const what = iteration === 0 ? "Start" : `Iteration ${iteration}/${iterations}`;
  const { mean, error } = evidence ?? {};
  const told = typeof mean === "number" ? [`evidence ${significant(mean)} ± ${significant(error ?? 0)}`] : [];
  const figures = Object.entries(metrics).map(([name, value]) => `${name} ${significant(value)}`);
  const all = [...told, ...figures];
  return `${what} done${all.length > 0 ? `: ${all.join(", ")}` : ""}`;
}
