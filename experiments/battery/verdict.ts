/** What must hold of a cell, with two standard errors of leeway. */
import type { CellResult } from "./cell.ts";
import type { Squared } from "./distance.ts";
import type { Figure } from "./statistics.ts";
import type { Truth } from "./truths.ts";

/** Standard errors that do not count. */
const LEEWAY = 2;

/** What a result does not meet, in words; empty if all is well. */
export function unmet({ prior, posterior, exactPrior }: CellResult, truth: Truth): string[] {
  const { start, end, clean } = prior;
  const failed: string[] = [];
  if (isFurther(end, start, 1)) failed.push("worse than its start");
  if (truth.isShaped && isFurther(end, start, 1 / 4)) failed.push("not 4 times closer");
  if (truth.isShaped && isFurther(end, clean, 2)) failed.push("beyond twice clean");
  if (!isWithin(posterior.coverage, 0.85, 0.95)) failed.push("coverage");
  if (truth.components.length === 1 && !isWithin(exactPrior.spread, 0.95, 1.05)) failed.push("spread");
  return failed;
}

/** Whether one distance exceeds a multiple of another. */
function isFurther(one: Squared, other: Squared, multiple: number): boolean {
  const share = multiple ** 2;
  const allowed = LEEWAY * Math.hypot(one.error, share * other.error);
  return !(one.squared <= share * other.squared + allowed);
}

function isWithin([value, error]: Figure, low: number, high: number): boolean {
  return value >= low - LEEWAY * error && value <= high + LEEWAY * error;
}
