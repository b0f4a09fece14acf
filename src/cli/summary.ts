import { isLowerBound } from "../trust/evidence.ts";
import { significant } from "./progress.ts";

/** One line about a finished iteration. */
export function summarize(
  iteration: number,
  iterations: number,
  metrics: Readonly<Record<string, number>>,
  evidence?: Readonly<Record<string, number | null>>,
): string {
  const what = iteration === 0 ? "Start" : `Iteration ${iteration}/${iterations}`;
  const told = evidence && typeof evidence.mean === "number" ? [evidenceText(evidence)] : [];
  const figures = Object.entries(metrics).map(([name, value]) => `${name} ${significant(value)}`);
  const all = [...told, ...figures];
  return `${what} done${all.length > 0 ? `: ${all.join(", ")}` : ""}`;
}

/** What is no more than a lower bound is not told as an estimate. */
function evidenceText({ mean, error, slack }: Readonly<Record<string, number | null>>): string {
  const value = significant(mean!);
  if (!isLowerBound(slack))
    return `evidence ${value}${typeof error === "number" ? ` ± ${significant(error)}` : ""}`;
  return `evidence at least ${value} (${significant(slack ?? Number.NaN)} or more are missing)`;
}
